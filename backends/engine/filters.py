"""The typed filter: words that a label must hold, a latent's number, or bounds such as `rate<0.01 z>3 act>1`."""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from investigator.errors import BadInput

_BOUND = re.compile(r"(?P<name>[a-z]+)(?P<sign><=|>=|<|>|=)(?P<value>.*)", re.IGNORECASE)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Filter:
    """A parsed filter; every part must hold."""

    words: tuple[str, ...] = ()
    latents: tuple[int, ...] = ()
    bounds: tuple[tuple[str, str, float], ...] = ()

    def holds(self, texts: Iterable[str], latents: Iterable[int], numbers: Mapping[str, float]) -> bool:
        """Whether a row with these labels, latents and numbers passes."""
        if any(not _SIGNS[sign](numbers[name], value) for name, sign, value in self.bounds):
            return False
        if self.latents and not set(self.latents).intersection(latents):
            return False
        lowered = [text.casefold() for text in texts]
        return all(any(word in text for text in lowered) for word in self.words)


def parse(text: str, names: tuple[str, ...]) -> Filter:
    """Parse a filter whose bounds may name `names`; raise BadInput with the grammar where it cannot be read.

    Words are separated by spaces, and kept together in double quotes; case does not matter.
    """
    try:
        parts = shlex.split(text)
    except ValueError:
        # An apostrophe or an open quote is part of a word that somebody is still typing.
        parts = text.replace('"', " ").split()
    words, latents, bounds = [], [], []
    for part in parts:
        bound = _BOUND.fullmatch(part)
        if bound:
            bounds.append(_bound(bound, names))
        elif part.isascii() and part.isdigit():
            latents.append(int(part))
        else:
            words.append(part.casefold())
    return Filter(tuple(words), tuple(latents), tuple(bounds))


def _bound(found: re.Match[str], names: tuple[str, ...]) -> tuple[str, str, float]:
    name = found["name"].lower()
    try:
        value = float(found["value"])
    except ValueError:
        value = float("nan")
    if name not in names or value != value:
        raise BadInput(
            f"The filter {found.group()!r} cannot be read.",
            f"Write words, a latent's number, or bounds on {', '.join(names)} such as {names[-1]}>1.",
        )
    return name, found["sign"], value
