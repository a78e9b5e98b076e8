"""The keys of the sweep: each action of the registry, handed to what does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from investigator.sources import Decoder
from investigator.text import one_line
from investigator.workbench import UNTRAINED
from screens import keeping, keys, sweep_cells, sweep_text, workers
from screens.cursor_keys import CursorKeys
from screens.sweep_cells import VIEWS, View

if TYPE_CHECKING:
    from investigator.records import SweepCell, SweepRow
    from screens.work import Work

METHODS = ("auto", "labels", "greedy")
_LATENT = re.compile(r"(?P<sae>[\w.-]*)#(?P<latent>\d{1,9})")


def latent_of(typed: str) -> Decoder | None:
    """Return the latent that `l3#12` or `#12` names, None for a sentence."""
    found = _LATENT.fullmatch(typed.strip())
    return Decoder(found["sae"], int(found["latent"])) if found else None


class SweepKeys(CursorKeys):
    """The actions; `SweepScreen` asks and shows."""

    ROOM = "sweep"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("sweep")

    work: Work | None
    text: str
    """A sentence or a latent, as typed; empty: the readers' own words."""
    reader: str
    method: str
    chosen_view: View | None

    @property
    def swept(self) -> tuple[int, ...]:
        """Return the layers that are shown, rising."""
        raise NotImplementedError

    @property
    def view(self) -> View:
        """Return what the cells show."""
        raise NotImplementedError

    def here(self) -> tuple[SweepRow, SweepCell] | None:
        """Return the cursor's cell with its row, where it is known."""
        raise NotImplementedError

    def run(self, *, fresh: bool = False) -> None:
        """Sweep the prompt."""
        raise NotImplementedError

    def action_layer(self, by: int) -> None:
        """Move to the next layer that is swept."""
        if self.place is None:
            return
        layer = self.place.layer
        beyond = [at for at in self.swept if (at > layer if by > 0 else at < layer)]
        if beyond:
            self.go(self.place.at_layer(min(beyond) if by > 0 else max(beyond)))
        elif not self.swept:
            self.go(self.place.at_layer(layer + by))

    def action_text(self) -> None:
        """Type what is swept."""
        from screens.modals import Ask

        label = "a sentence, or a latent such as l3#12; empty: the readers' own words"
        self.app.push_screen(Ask("sweep", label, self.text), self._typed)

    def _typed(self, typed: str | None) -> None:
        if typed is not None:
            self.text = typed
            self.run()

    def action_run(self) -> None:
        """Sweep; again for the same numbers anew."""
        self.run(fresh=self.current and self.work is not None and not self.work.active)

    @property
    def current(self) -> bool:
        """Whether what is shown is what would be asked."""
        raise NotImplementedError

    def action_reader(self) -> None:
        """Choose the next reader; g lets it read."""
        subject = self.place.opened.subject if self.place else ""
        readers = [one.name for one in self.app.book.readers if one.subject == subject] if self.app.book else []
        names = list(dict.fromkeys(["", *readers, *UNTRAINED]))
        self.reader = names[(names.index(self.reader) + 1) % len(names)] if self.reader in names else ""
        self.redraw()

    def action_method(self) -> None:
        """Choose between labels and likeliest words."""
        self.method = METHODS[(METHODS.index(self.method) + 1) % len(METHODS)]
        self.redraw()

    def action_view(self) -> None:
        """Show numbers, bars or words."""
        self.chosen_view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        self.redraw()

    async def action_open_cell(self) -> None:
        """Show the place on the bench."""
        await self.app.switch_mode("bench")

    def action_why(self) -> None:
        """Show everything as tables."""
        from screens.modals import TextViewer

        if self._answered():
            self.app.push_screen(TextViewer(sweep_text.title(self.text), sweep_text.tables(self.work, self._tokens())))

    def action_copy(self) -> None:
        """Copy the answer as text."""
        if self._answered():
            self.app.copy_to_clipboard(sweep_text.tables(self.work, self._tokens()))
            self.app.tell("Copied as text.")

    def _answered(self) -> bool:
        if not sweep_cells.rows_of(self.work):
            self.app.tell("There is no answer yet; g sweeps.")
            return False
        return True

    def _tokens(self) -> list[str]:
        return [token.text for token in self.place.opened.tokens] if self.place else []

    def action_keep(self) -> None:
        """Keep the cell with its layer as a finding."""
        found, work, place = self.here(), self.work, self.place
        if found is None or work is None or place is None:
            self.app.tell("There is no cell here.")
            return
        if not work.answer.ended:
            self.app.tell("Wait until the answer is whole, or stop it with ctrl+g; then keep it.")
            return
        row, cell = found
        said = cell.text or sweep_text.title(self.text)
        title = f"{place.at_token(place.position).words}  {one_line(said, 60)}  {sweep_cells.figure(cell)}".rstrip()
        workers.start(
            self.app, "keep", self._keep, work.answer.id, title, f"SweepRow:{row.key}@{place.position}", exclusive=False
        )

    async def _keep(self, answer_id: str, title: str, key: str) -> None:
        await keeping.keep(self.app, answer_id, title=title, row_key=key)
