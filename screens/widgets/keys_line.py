"""The bottom line: the keys that matter here, as many as fit, help and commands always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from screens import keys

if TYPE_CHECKING:
    from screens.app import InvestigatorApp

LAST = frozenset({"help", "commands"})


class KeysLine(Widget):
    """One line of `key word` pairs from the registry, or a sentence while something else holds the keys."""

    COMPONENT_CLASSES = {"keys--key", "keys--word"}
    DEFAULT_CSS = """
    KeysLine { height: 1; }
    KeysLine > .keys--key { color: $footer-key-foreground; text-style: bold; }
    KeysLine > .keys--word { color: $text-muted; }
    """

    def __init__(self, actions: Sequence[keys.Action]) -> None:
        super().__init__()
        self.actions = tuple(actions)
        self.sentence = ""
        """Shown instead of the keys: `typing · esc leaves`."""

    def say(self, sentence: str) -> None:
        """Show a sentence, or the keys again where it is empty."""
        if sentence != self.sentence:
            self.sentence = sentence
            self.refresh()

    def render(self) -> Content:
        """Return the line, cut to whole entries."""
        key, word = self._style("keys--key"), self._style("keys--word")
        if self.sentence:
            return Content.assemble((f" {self.sentence}", key))
        entries = keys.footer(self.actions, cast("InvestigatorApp", self.app).moved_keys)
        parts: list[tuple[str, Style]] = []
        for shown, name in _fitting(entries, self.size.width - 1):
            parts += [(f" {shown}", key), (f" {name} ", word)]
        return Content.assemble(*parts)

    def _style(self, name: str) -> Style:
        return self.get_visual_style(name, partial=True)


def _fitting(entries: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    must = [entry for entry in entries if entry[1] in LAST]
    left = width - sum(map(_length, must))
    shown = []
    for entry in entries:
        if entry not in must and _length(entry) <= left:
            shown.append(entry)
            left -= _length(entry)
    return shown + must


def _length(entry: tuple[str, str]) -> int:
    return len(entry[0]) + len(entry[1]) + 3
