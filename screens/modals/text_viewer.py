"""A text to read: the why of a score, an answer in full. Shown inert, copied with y."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from screens.modals.base import Sheet


class TextViewer(Sheet[None]):
    """A scrollable sheet of plain text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="sheet.copy", tooltip="Copy the whole text"),
        Binding("w,q", "close", "Close", id="sheet.quit", show=False, tooltip="Close this sheet"),
    ]

    def __init__(self, title: str, text: str | Content) -> None:
        super().__init__(title, "↑↓ scroll · y copy · esc close")
        self.text = text if isinstance(text, Content) else Content(text)

    def compose(self) -> ComposeResult:
        """Lay out the scrolling text."""
        yield self.box(VerticalScroll(Static(self.text, markup=False)), id="viewer")

    def on_mount(self) -> None:
        """Let the arrows scroll at once."""
        self.query_one(VerticalScroll).focus()

    def action_copy(self) -> None:
        """Copy the text to the clipboard."""
        self.app.copy_to_clipboard(self.text.plain)
        self.notify("Copied.")
