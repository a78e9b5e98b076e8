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
"""Words that stand at the end whatever the width."""
ROOMY = 100
"""Columns from which entries stand two cells apart."""


class KeysLine(Widget):
    """One line of `key word` pairs from the registry, or a sentence while something else holds the keys."""

    COMPONENT_CLASSES = {"keys--key", "keys--word"}
    DEFAULT_CSS = """
    KeysLine { height: 1; }
    KeysLine > .keys--key { color: $footer-key-foreground; text-style: bold; }
    KeysLine > .keys--word { color: $foreground 75%; }
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
        gap = " " if self.size.width < ROOMY else "  "
        parts: list[tuple[str, Style]] = []
        for shown, name in _fitting(entries, self.size.width, len(gap)):
            parts += [(f"{gap if parts else ' '}{shown}", key), (f" {name}", word)]
        return Content.assemble(*parts)

    def _style(self, name: str) -> Style:
        return self.get_visual_style(name, partial=True)


def _fitting(entries: list[tuple[str, str]], width: int, gap: int) -> list[tuple[str, str]]:
    lengths = {entry: gap + len(entry[0]) + 1 + len(entry[1]) for entry in entries}
    must = [entry for entry in entries if entry[1] in LAST]
    left = width - sum(lengths[entry] for entry in must)
    shown = []
    for entry in entries:
        if entry not in must and lengths[entry] <= left:
            shown.append(entry)
            left -= lengths[entry]
    return shown + must
