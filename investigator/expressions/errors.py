"""What is wrong in an expression, and where."""

from __future__ import annotations

import unicodedata

from investigator.errors import BadInput
from investigator.text import inert

BEFORE, AFTER = 48, 24
"""Characters shown around the place."""


class ExpressionError(BadInput):
    """An expression that cannot be read; `at` is the index of the character where it cannot be."""

    def __init__(self, message: str, mend: str, text: str, at: int) -> None:
        super().__init__(f"{message} (character {at + 1})." if text else f"{message}.", mend)
        self.plain = message
        """What is wrong, without the place."""
        self.text = text
        self.at = at
        if text:
            # A traceback, and whoever prints one, shows the place.
            self.add_note(self.picture)

    @property
    def picture(self) -> str:
        """Return two lines: the expression around the place, inert, and a caret under it."""
        first = max(0, self.at - BEFORE)
        before = ("…" if first else "") + inert(self.text[first : self.at])
        after = inert(self.text[self.at : self.at + AFTER])
        more = "…" if self.at + AFTER < len(self.text) else ""
        return f"  {before}{after}{more}\n  {' ' * _cells(before)}^"


def _cells(text: str) -> int:
    return sum(_wide(char) for char in text)


def _wide(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
