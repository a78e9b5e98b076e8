"""A line of input that shows what it holds inert: pasted escapes and bidirectional marks reach no terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widgets import Input

from investigator.text import inert

OTHER = "\ufffd"
"""Stands for a character that is unsafe and has no picture of one cell."""


def one_cell(text: str) -> str:
    """Return the text with each unsafe character as one visible cell, so that the cursor stays where it belongs."""
    return text if inert(text) == text else "".join(map(_picture, text))


def _picture(char: str) -> str:
    shown = inert(char)
    if len(shown) == 1:
        return shown
    return chr(0x2400 + ord(char)) if ord(char) < 32 else OTHER


class InertInput(Input):
    """An `Input` whose value may hold anything, line breaks included, and whose picture holds nothing unsafe."""

    after_enter: Callable[[], None] | None = None
    """Called when enter is taken, before any key behind it: it moves the focus on."""

    async def on_key(self, event: events.Key) -> None:
        """Take enter in its turn, and send on what was typed ahead for whoever has the focus then.

        As a binding, enter would be acted on when it has bubbled up, behind the keys typed after it.
        """
        if self.screen.focused is not self:
            event.stop()
            event.prevent_default()
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()
            if self.after_enter is not None:
                self.after_enter()

    def render_line(self, y: int) -> Strip:
        """Paint the line with unsafe characters replaced."""
        strip = super().render_line(y)
        if all(inert(segment.text) == segment.text for segment in strip):
            return strip
        shown = Strip(Segment(one_cell(segment.text), segment.style, segment.control) for segment in strip)
        return shown.crop(0, strip.cell_length)

    def on_paste(self, event: events.Paste) -> None:
        """Take all lines of what is pasted; Input alone would keep the first and drop the rest without a word."""
        event.prevent_default()
        event.stop()
        text = event.text.removesuffix("\n")
        if self.selection.is_empty:
            self.insert_text_at_cursor(text)
        else:
            self.replace(text, *self.selection)
