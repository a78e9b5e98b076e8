"""A question with two answers; the safe one is the default."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from screens.modals.base import Sheet


class Confirm(Sheet[bool]):
    """Dismisses with True on y, False on n; esc is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n", "answer(False)", "No", id="confirm.no", tooltip="Leave it as it is"),
    ]

    def __init__(self, question: str, title: str = "Sure?") -> None:
        super().__init__(title, "y yes · n no · esc no")
        self.question = question

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        yield self.box(Static(Content(self.question), markup=False), id="confirm")

    def action_answer(self, yes: bool) -> None:
        """Give the answer."""
        self.dismiss(yes)
