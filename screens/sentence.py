"""A hypothesis as a person types it: one sentence, or the same claim in several wordings with ` | ` between them."""

from __future__ import annotations

import msgspec

BETWEEN = " | "


class Sentence(msgspec.Struct, frozen=True):
    """A claim and its other wordings; the first wording is its name."""

    text: str
    others: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Return it as it is typed."""
        return BETWEEN.join((self.text, *self.others))

    @property
    def wordings(self) -> dict[str, tuple[str, ...]]:
        """Return the user's own phrasings as the `test` verb takes them."""
        return {self.text: self.others} if self.others else {}

    def __bool__(self) -> bool:
        return bool(self.text)


def parse(line: str) -> Sentence:
    """Read a typed line, without empty and repeated wordings; a bar without blanks around it is part of the text."""
    parts = dict.fromkeys(part.strip() for part in f" {line} ".split(BETWEEN))
    first, *others = [part for part in parts if part] or [""]
    return Sentence(first, tuple(others))
