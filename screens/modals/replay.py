"""The sheet of a replay: the question asked again, its progress, then what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from screens.messages import WorkChanged
from screens.modals.text_viewer import TextViewer

if TYPE_CHECKING:
    from screens.work import Work
    from sessions import SavedAnswer

SLOT = "replay"


class ReplaySheet(TextViewer):
    """Asks once it is shown; leaving it stops what still runs."""

    def __init__(self, saved: SavedAnswer, row_key: str = "") -> None:
        super().__init__("asked again", "asking")
        self.saved, self.row_key = saved, row_key
        self.work: Work | None = None

    def on_mount(self) -> None:
        """Ask once the sheet stands: a text updated before its first layout keeps that layout's height."""
        super().on_mount()
        self.call_after_refresh(self._ask)

    def _ask(self) -> None:
        """Ask the same question again, whatever was answered in this run."""
        from screens.app import InvestigatorApp
        from sessions.replay import question_of

        assert isinstance(self.app, InvestigatorApp)
        self.work = self.app.ask(question_of(self.saved), slot=SLOT, listener=self, fresh=True)

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how it goes, and at the end what differs."""
        from screens.replaying import compared, words

        if message.work is self.work:
            comparison = compared(self.saved, message.work, self.row_key)
            self.text = Content(words(self.saved, message.work, comparison))
            self.query_one("#viewer Static", Static).update(self.text)

    def action_close(self) -> None:
        """Leave; what was asked only for this sheet is stopped."""
        from screens.app import InvestigatorApp

        if isinstance(self.app, InvestigatorApp) and self.work is not None and self.work.active:
            self.app.asker.stop(SLOT)
        super().action_close()
