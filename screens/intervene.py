"""Interventions: one change at the cursor's place, dose by dose, and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import events, on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from investigator.errors import BadInput
from investigator.expressions import ExpressionError, Names
from investigator.text import one_line
from investigator.wire import Intervene
from screens import changes, intervene_text
from screens.bench_place import place_of
from screens.changes import Change
from screens.intervene_keys import InterveneKeys
from screens.messages import InterveneHere, WorkChanged
from screens.saying import say
from screens.widgets.dose_table import DoseTable
from screens.widgets.expression_input import ExpressionInput
from screens.widgets.keys_line import KeysLine
from screens.widgets.pane_state import Facts, PaneState, state_of
from screens.widgets.row_table import RowTable
from screens.work import Work, saved_work

if TYPE_CHECKING:
    from sessions import SavedAnswer

EMPTY = (
    "Type `ablate l3#12` or `add EXPRESSION` after i and press enter. x on the bench brings the selected feature here. "
    "Every dose stands beside random directions of the same norm; dose 0 changes nothing."
)
TYPING = "typing · enter runs it · esc leaves"
STYLES = {
    "strong": "bold",
    "dim": "$foreground 60%",
    "good": "$text-success",
    "bad": "$text-error",
    "error": "$text-error",
}


class InterveneScreen(InterveneKeys):
    """The change, its place, the doses, and the selected dose in full."""

    CSS_PATH = "intervene.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.change: Change | None = None
        self.work: Work | None = None
        self.later = False
        self.doses: tuple[float, ...] = ()
        self.hypotheses: tuple[str, ...] = ()
        self.state = PaneState("empty", "empty")

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the change, its place, the doses and the selected one."""
        with Horizontal(id="change-line"):
            yield Static("change ", id="change-sign", markup=False)
            yield ExpressionInput(self._complete, placeholder="ablate l3#12, or add EXPRESSION", id="change-input")
        yield Static(id="change-where", markup=False)
        with Vertical(id="dose-list", classes="box"):
            yield DoseTable(self.app.marks)
            yield Static(id="dose-said", markup=False)
            yield Static(id="dose-state", markup=False)
        with VerticalScroll(id="dose-box", classes="box", can_focus=False):
            yield Static(id="dose-words", markup=False)

    def on_mount(self) -> None:
        """Follow the link, and give the doses the keys."""
        entry = self.query_one(ExpressionInput)
        entry.cursor_blink = False
        entry.after_enter = lambda: self.set_focus(self.table)
        self.app.link_changed.subscribe(self, lambda _: self.redraw())
        self.query_one("#dose-box").border_title = "this dose"
        self.set_focus(self.table)
        self.redraw()

    @property
    def table(self) -> DoseTable:
        """Return the doses."""
        return self.query_one(DoseTable)

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops."""
        return "intervene"

    def _complete(self, line: str) -> tuple[str, ...]:
        return changes.complete(line, Names.of(self.app.book))

    # Asking.

    def on_intervene_here(self, message: InterveneHere) -> None:
        """Run a change that another screen names, or show what was answered before."""
        message.stop()
        if message.saved is not None:
            self._reopen(message.saved)
            return
        if message.change:
            self._take(message.change)
        else:
            self.action_edit()
        self.redraw()

    def _reopen(self, saved: SavedAnswer) -> None:
        verb = saved.question
        if not isinstance(verb, Intervene):
            return
        self.change = Change(verb.ablate, verb.sae, verb.add)
        self.later, self.doses, self.hypotheses = verb.later, verb.doses, verb.hypotheses
        self.work = saved_work(saved, self)
        if saved.strip is not None and saved.residual is not None:
            self.app.desk.place = place_of(saved.strip, saved.residual, self.app.book)
        self.query_one(Input).value = self.change.words
        self.redraw()

    def _take(self, line: str) -> None:
        """Read a change and run it; say what is wrong with it otherwise."""
        entry = self.query_one(ExpressionInput)
        entry.value = line
        try:
            self.change = changes.parse(line)
        except ExpressionError as problem:
            self.app.tell(f"{problem}\n{problem.picture}", problem=True)
            entry.point_at(problem.at)
            return
        except BadInput as problem:
            self.app.tell(str(problem), problem=True)
            entry.point_at(len(line))
            return
        self.run()

    def run(self, *, fresh: bool = False) -> None:
        """Ask for the change at the place; the same question's stored answer is there at once unless `fresh`."""
        place, change = self.place, self.change
        if change is None or place is None:
            self.app.tell(
                "Type a change first: i." if change is None else "Open a prompt on the bench first: B, then i."
            )
            return
        verb = Intervene(
            place.residual,
            change.ablate,
            change.sae,
            change.add,
            self.later,
            self.doses,
            self.hypotheses,
        )
        self.work = self.app.ask(verb, slot="intervene", listener=self, fresh=fresh, priority=3)
        self.redraw()

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how it goes."""
        message.stop()
        if message.work is self.work:
            self.redraw()

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        if not self.is_mounted:
            return
        self._say("#change-where", f" {self._where()}")
        self.table.show_rows(intervene_text.doses(self.work))
        result = intervene_text.found(self.work)
        summary = intervene_text.summary(result, self.app.marks)
        self.state = state_of(
            Facts(self.work, bool(self.table.rows), self._stale(), summary, EMPTY, self.app.link.status, self.app.marks)
        )
        self._say("#dose-said", self.state.said, layout=True)
        self.query_one("#dose-said").display = bool(self.state.said)
        self._say("#dose-state", f" {self.state.words}")
        title = one_line(self.change.words, 60) if self.change else "no change yet"
        self.query_one("#dose-list").border_title = f"doses {self.app.marks.dot} {title}".replace("[", r"\[")
        self._look()

    def _where(self) -> str:
        if self.place is None:
            return "No prompt is open: B shows the bench, i there opens one."
        return intervene_text.where(self.place, self.later, self.doses, self.hypotheses, self.app.marks)

    def _stale(self) -> str:
        """Return where the shown doses were asked, where that is not the cursor's place."""
        verb = self.work.verb if self.work else None
        if self.place is None or not isinstance(verb, Intervene) or verb.source == self.place.residual:
            return ""
        return "another place; x runs it here"

    def _look(self) -> None:
        row, width = self.table.row, max(30, self.query_one("#dose-box").size.width - 6)
        if row is None:
            self._say("#dose-words", "", layout=True)
            return
        pieces = intervene_text.dose(row, intervene_text.found(self.work), width)
        self._say(
            "#dose-words", Content.assemble(*((text, STYLES.get(name, "")) for text, name in pieces)), layout=True
        )
        self.query_one("#dose-box").border_title = f"dose {row.dose:g}"

    def _say(self, selector: str, words: str | Content, *, layout: bool = False) -> None:
        say(self.query_one(selector, Static), words, layout=layout)

    # What happens on the screen.

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._look()

    @on(RowTable.Opened)
    async def _opened(self) -> None:
        await self.action_open_row()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._take(event.value)

    @on(Input.Changed)
    def _typed(self) -> None:
        if isinstance(self.focused, ExpressionInput):
            self.query_one(KeysLine).say(self.focused.offers or TYPING)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say in the line of keys who has them."""
        entry = event.widget
        offers = entry.offers if isinstance(entry, ExpressionInput) else ""
        self.query_one(KeysLine).say(offers or TYPING if isinstance(entry, Input) else "")

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Follow the place that another screen has moved to."""
        self.redraw()

    def on_resize(self) -> None:
        """Draw to the width."""
        self.call_after_refresh(self.redraw)

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return what this screen can write to a file."""
        return {"doses": ("these doses as a markdown page", ".md")} if self.table.rows else {}

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        return intervene_text.page(self.change, self.place, self.work)
