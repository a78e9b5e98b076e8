"""The sweep: every token of the prompt at every layer, as any reader reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import msgspec
from textual import events, on
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from investigator.errors import BadInput
from investigator.records import SweepCell, SweepRow
from investigator.sweeping import sweep_of
from investigator.text import inert, one_line
from investigator.wire import Sweep
from screens import sweep_cells, sweep_text
from screens.bench_place import Place, place_of
from screens.messages import ShowSweep, WorkChanged
from screens.saying import say
from screens.sweep_cells import View
from screens.sweep_keys import SweepKeys, latent_of
from screens.widgets.pane_state import Facts, PaneState, state_of
from screens.widgets.sweep_grid import SweepGrid
from screens.work import Work, saved_work

if TYPE_CHECKING:
    from typing import Literal

    from sessions import SavedAnswer

EMPTY = (
    "g sweeps: what the readers say of every token at every layer. t types a sentence whose gap every cell shows, "
    "or a latent such as l3#12; m chooses another reader: selfie and patchscopes read any layer."
)
PRIORITY = 3


class SweepScreen(SweepKeys):
    """What is swept, the grid, and the cursor's cell in full."""

    CSS_PATH = "sweep.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.work: Work | None = None
        self.asked: Place | None = None
        """Where the sweep shown was asked: its prompt."""
        self.text = ""
        self.reader = ""
        self.method = "auto"
        self.chosen_view: View | None = None
        self.state = PaneState("empty", "empty")
        self._adopted = 0
        """The number of the last hypothesis that was taken over from the bench."""

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the question, the grid and the cell."""
        yield Static(id="sweep-what", markup=False)
        with Vertical(id="sweep-box", classes="box"):
            yield SweepGrid()
            yield Static(id="sweep-said", markup=False)
            yield Static(id="sweep-state", markup=False)
        with Vertical(id="sweep-cell", classes="box"):
            yield Static(id="sweep-words", markup=False)

    def on_mount(self) -> None:
        """Follow the link."""
        self.app.link_changed.subscribe(self, lambda _: self.redraw())
        self.query_one("#sweep-cell").border_title = "this cell"

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Sweep a hypothesis that was tested since; else show where the bench stands now."""
        place = self.place
        trials = self.app.desk.of_prompt(place) if place else []
        newest = max(trials, key=lambda trial: trial.number, default=None)
        if newest is not None and newest.number > self._adopted:
            self._adopted, self.text = newest.number, newest.sentence.text
            self.run()
        self.redraw()

    @property
    def grid(self) -> SweepGrid:
        """Return the grid."""
        return self.query_one(SweepGrid)

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops."""
        return "sweep"

    # What is known.

    @property
    def swept(self) -> tuple[int, ...]:
        """Return the layers that were asked or have come, rising."""
        verb = self.work.answer.verb or self.work.verb if self.work else None
        known = verb.layers if isinstance(verb, Sweep) else ()
        return tuple(sorted({*known, *(row.layer for row in sweep_cells.rows_of(self.work))}))

    @property
    def same_prompt(self) -> bool:
        """Whether the cursor stands in the prompt that was swept."""
        return self.place is not None and self.asked is not None and self.place.of_prompt(self.asked.opened)

    @property
    def current(self) -> bool:
        """Whether what is shown is what would be asked."""
        shown, wanted = self.work.verb if self.work else None, self.verb()
        if not self.same_prompt or not isinstance(shown, Sweep) or wanted is None:
            return False
        return _question(shown) == _question(wanted)

    @property
    def view(self) -> View:
        """Return what the cells show: words where the readers say some, unless another view was chosen."""
        words = any(row.method in {"labels", "greedy"} for row in sweep_cells.rows_of(self.work))
        return self.chosen_view or ("words" if words else "numbers")

    def here(self) -> tuple[SweepRow, SweepCell] | None:
        """Return the cursor's cell with its row, where it is known."""
        if self.place is None or not self.same_prompt:
            return None
        row = next((row for row in sweep_cells.rows_of(self.work) if row.layer == self.place.layer), None)
        cell = row.cell(self.place.position) if row is not None else None
        return (row, cell) if row is not None and cell is not None else None

    # Asking.

    def verb(self) -> Sweep | None:
        """Return the question that the screen stands for; None without a prompt."""
        if self.place is None:
            return None
        latent = latent_of(self.text)
        method = cast("Literal['auto', 'labels', 'greedy']", self.method)
        try:
            if latent is not None:
                return sweep_of(self.place.opened, latent=latent)
            return sweep_of(self.place.opened, self.text, reader=self.reader, method=method)
        except BadInput as problem:
            self.app.tell(str(problem), problem=True)
            return None

    def run(self, *, fresh: bool = False) -> None:
        """Sweep the prompt; the same question's stored answer is there at once unless `fresh`."""
        verb = self.verb()
        if verb is None:
            self.app.tell("Open a prompt on the bench first: B, then i.")
            return
        self.asked = self.place
        self.work = self.app.ask(verb, slot="sweep", listener=self, fresh=fresh, priority=PRIORITY)
        self.redraw()

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how it goes; the cursor goes to a layer that is swept as soon as there is one."""
        message.stop()
        if message.work is not self.work:
            return
        if self.place is not None and self.same_prompt and self.swept and self.place.layer not in self.swept:
            nearest = min(self.swept, key=lambda layer: abs(layer - self.place.layer) if self.place else 0)
            self.app.desk.place = self.place.at_layer(nearest)
        self.redraw()

    def on_show_sweep(self, message: ShowSweep) -> None:
        """Show a sweep that was saved, its cursor at the cell that was kept; nothing is asked."""
        message.stop()
        self._reopen(message.saved, message.row_key)

    def _reopen(self, saved: SavedAnswer, row_key: str) -> None:
        verb = saved.question
        if not isinstance(verb, Sweep):
            return
        self.work = saved_work(saved, self)
        self.text = verb.text if verb.latent is None else f"{verb.sae}#{verb.latent}"
        self.reader, self.method = verb.reader, verb.method
        if saved.strip is not None and saved.residual is not None:
            first = msgspec.structs.replace(saved.residual, layer=verb.layers[0], end=None)
            place = place_of(saved.strip, first, self.app.book)
            row = saved.row(row_key) if row_key else None
            if isinstance(row, SweepRow):
                kept = row_key.partition("@")[2]
                place = place.at_layer(row.layer).at_token(int(kept) if kept else sweep_cells.strongest(row))
            self.app.desk.place = self.asked = place
        self.redraw()

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        if not self.is_mounted:
            return
        place, rows, marks = self.place, sweep_cells.rows_of(self.work), self.app.marks
        waits = self.work is not None and not self.current
        what = sweep_text.asked(place, self.text, self.reader, self.method, marks, waits=waits) if place else ""
        self._say("#sweep-what", f" {what or 'No prompt is open: B shows the bench, i there opens one.'}")
        tokens = self.asked.opened.tokens if self.asked else ()
        cursor = (place.position, place.layer) if place and self.same_prompt else None
        self.grid.show(tokens, self.swept, rows, cursor, self.view)
        self.state = state_of(
            Facts(self.work, bool(rows), self._stale(), sweep_cells.summary(rows, marks), EMPTY, self.app.link.status,
                  marks)
        )  # fmt: skip
        self._say("#sweep-said", self.state.said, layout=True)
        self.query_one("#sweep-said").display = bool(self.state.said)
        self.grid.display = bool(self.swept)
        self._say("#sweep-state", f" {self.state.words}")
        self.query_one("#sweep-box").border_title = f"layers x tokens {marks.dot} {self._shown()}".replace("[", r"\[")
        self._look()

    def _shown(self) -> str:
        """Return what the sweep shown is of, which may differ from what would be asked."""
        verb = self.work.verb if self.work else None
        if not isinstance(verb, Sweep):
            return "nothing swept yet"
        said = sweep_text.title(verb.text if verb.latent is None else f"{verb.sae}#{verb.latent}")
        return f"{said} by {one_line(verb.reader, 20)}" if verb.reader else said

    def _stale(self) -> str:
        if self.work is None or self.place is None or self.work.stored:
            return ""
        return "" if self.same_prompt else "another prompt; g sweeps this one"

    def _look(self) -> None:
        """Say everything of the cursor's cell."""
        found, place, marks = self.here(), self.place, self.app.marks
        if place is None or not self.same_prompt:
            self._say("#sweep-words", "", layout=True)
            return
        where = sweep_cells.where(place.opened.tokens[place.position].text, place.layer)
        if found is None:
            rows = {row.layer: row for row in sweep_cells.rows_of(self.work)}
            row = rows.get(place.layer)
            unread = "not read yet" if self.work is not None and self.work.active else "not read"
            said = row.error if row is not None and row.error else unread if self.swept else ""
            self._say("#sweep-words", Content.assemble((f"{where}  ", "bold $accent"), inert(said or "")), layout=True)
            return
        row, cell = found
        pieces = [(f"{where}  ", "bold $accent"), (sweep_cells.numbers(cell, row, marks), "bold")]
        said = cell.score.error or cell.text
        pieces += [(f"\n{one_line(said, 400)}", "$text-error" if cell.score.error else "")] if said else []
        self._say("#sweep-words", Content.assemble(*pieces), layout=True)

    def _say(self, selector: str, words: str | Content, *, layout: bool = False) -> None:
        say(self.query_one(selector, Static), words, layout=layout)

    # What happens on the screen.

    @on(SweepGrid.Picked)
    async def _picked(self, message: SweepGrid.Picked) -> None:
        if self.place is None or not self.same_prompt:
            return
        there = self.place.at_token(message.position).at_layer(message.layer)
        again = (self.place.position, self.place.layer) == (there.position, there.layer)
        self.go(there)
        if again:
            await self.action_open_cell()

    def on_resize(self) -> None:
        """Draw to the width."""
        self.call_after_refresh(self.redraw)

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return what this screen can write to a file."""
        return {"sweep": ("this sweep as a markdown page", ".md")} if sweep_cells.rows_of(self.work) else {}

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        return sweep_text.page(self.text, self.asked, self.work)


def _question(verb: Sweep) -> tuple[object, ...]:
    """Return what tells sweeps of one prompt apart, whether or not defaults are filled in."""
    if verb.latent is not None:
        return verb.latent, verb.sae
    return verb.text, verb.reader, verb.method if not verb.text else ""
