"""The keys of the intervention screen: each action of the registry, handed to what does it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from investigator.dose_tables import nats
from screens import intervene_text, keeping, keys, workers
from screens.cursor_keys import CursorKeys

if TYPE_CHECKING:
    from screens.changes import Change
    from screens.widgets.dose_table import DoseTable
    from screens.work import Work


class InterveneKeys(CursorKeys):
    """The actions; `InterveneScreen` holds the widgets and shows the answers."""

    ROOM = "intervene"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("intervene")

    change: Change | None
    work: Work | None
    later: bool
    doses: tuple[float, ...]
    hypotheses: tuple[str, ...]

    @property
    def table(self) -> DoseTable:
        """Return the doses."""
        raise NotImplementedError

    def run(self, *, fresh: bool = False) -> None:
        """Ask for the change at the place."""
        raise NotImplementedError

    def action_row(self, by: int) -> None:
        """Select another dose."""
        self.table.move(by)

    def action_edit(self) -> None:
        """Enter the change."""
        self.set_focus(self.query_one(Input))

    def action_again(self) -> None:
        """Run the change here; again for the same numbers anew."""
        self.run(fresh=self.work is not None and not self.work.active)

    def action_later(self) -> None:
        """Change this token alone, or every later one too."""
        self.later = not self.later
        self._changed()

    def action_doses(self) -> None:
        """Type the doses."""
        from screens.modals import Ask

        shown = " ".join(f"{dose:g}" for dose in self.doses)
        self.app.push_screen(
            Ask("doses", "numbers with blanks between; empty: the default ones", shown), self._take_doses
        )

    def _take_doses(self, typed: str | None) -> None:
        if typed is None:
            return
        try:
            found = tuple(float(word) for word in typed.replace(",", " ").split())
        except ValueError:
            found = (math.nan,)
        if not all(map(math.isfinite, found)):
            self.app.tell("Doses are numbers with blanks between, such as 0 0.5 1.", problem=True)
            return
        self.doses = found
        self._changed()

    def action_hypotheses(self) -> None:
        """Type the sentences to follow."""
        from screens.modals import Ask

        label = "sentences with | between; empty: none"
        self.app.push_screen(Ask("hypotheses to follow", label, " | ".join(self.hypotheses)), self._take_hypotheses)

    def _take_hypotheses(self, typed: str | None) -> None:
        if typed is not None:
            self.hypotheses = tuple(text.strip() for text in typed.split("|") if text.strip())
            self._changed()

    def _changed(self) -> None:
        self.redraw()
        if self.change is not None:
            self.run()

    def action_why(self) -> None:
        """Show everything as tables."""
        from screens.modals import TextViewer

        if not intervene_text.doses(self.work):
            self.app.tell("There is no answer yet.")
            return
        title = self.change.words if self.change else "intervention"
        self.app.push_screen(TextViewer(title, intervene_text.tables(self.work)))

    def action_keep(self) -> None:
        """Keep the dose as a finding."""
        row, work = self.table.row, self.work
        if row is None or work is None:
            self.app.tell("There is no dose here.")
            return
        if not work.answer.ended:
            self.app.tell("Wait until the answer is whole, or stop it with ctrl+g; then keep it.")
            return
        words = self.change.words if self.change else "intervention"
        title = f"{words}, dose {row.dose:g}: KL {nats(row.kl)}"
        workers.start(self.app, "keep", self._keep, work.answer.id, title, f"DoseRow:{row.key}", exclusive=False)

    async def _keep(self, answer_id: str, title: str, key: str) -> None:
        await keeping.keep(self.app, answer_id, title=title, row_key=key)

    def action_copy(self) -> None:
        """Copy the answer as text."""
        if intervene_text.doses(self.work):
            self.app.copy_to_clipboard(intervene_text.tables(self.work))
            self.app.tell("Copied as text.")

    async def action_open_row(self) -> None:
        """Show the place on the bench."""
        await self.app.switch_mode("bench")

    def action_leave(self) -> None:
        """Leave the input."""
        self.set_focus(self.table)
