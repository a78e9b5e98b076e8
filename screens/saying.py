"""Putting words into a line of the screen: only where they differ, and with a new layout only where its size may."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


def say(line: Static, words: str | Content, *, layout: bool = False) -> None:
    """Show words; `layout` for lines whose height follows what they hold.

    Textual lays the whole screen out again at every update that does not forbid it, and calls two texts equal that
    differ in colour alone.
    """
    if _drawn(line.content) != _drawn(words):
        line.update(words, layout=layout)


def _drawn(words: object) -> object:
    return (words.plain, words.spans) if isinstance(words, Content) else (str(words), [])
