"""One line to type in."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Label

from screens.modals.base import Sheet


class Ask(Sheet[str]):
    """Dismisses with what was typed, stripped; None on esc."""

    def __init__(self, title: str, label: str, value: str = "") -> None:
        super().__init__(title, "enter go · esc leave")
        self._label, self._value = label, value

    def compose(self) -> ComposeResult:
        """Lay out the line."""
        yield self.box(Label(self._label, markup=False), Input(self._value), id="ask")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def hand_over(self, event: Input.Submitted) -> None:
        """Hand the line back."""
        self.dismiss(event.value.strip())
