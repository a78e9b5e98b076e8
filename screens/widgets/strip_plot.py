"""One score drawn on a line against the scores of its background: a strip of text, one cell a bin."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

SHADES = " ·:|█"
ASCII_SHADES = " .:|#"


class Mark(msgspec.Struct, frozen=True):
    """A single score to stand out on the strip."""

    value: float
    """Nats per token."""
    sign: str
    """One cell."""
    name: str


def strip(background: Sequence[float], marks: Sequence[Mark], width: int, *, ascii_marks: bool = False) -> str:
    """Return a line of `width` cells: background density in shades, each mark in its place, later marks on top."""
    values = [*background, *(mark.value for mark in marks)]
    if not values or width < 2:
        return ""
    low, span = min(values), max(values) - min(values) or 1.0
    cells = list(density([_cell(value, low, span, width) for value in background], width, ascii_marks))
    for mark in marks:
        cells[_cell(mark.value, low, span, width)] = mark.sign
    return "".join(cells)


def _cell(value: float, low: float, span: float, width: int) -> int:
    return min(int((value - low) / span * width), width - 1)


def density(cells: Sequence[int], width: int, ascii_marks: bool) -> str:
    """Return a line of shades: how many of the cell numbers fall on each cell; any at all shows."""
    shades = ASCII_SHADES if ascii_marks else SHADES
    counts = [0] * width
    for cell in cells:
        counts[cell] += 1
    top, levels = max(counts, default=0), len(shades) - 1
    return "".join(shades[-(-count * levels // top)] if count else " " for count in counts)


def in_words(background: Sequence[float], value: float) -> str:
    """Return where a score stands among its background, as a sentence."""
    if not background:
        return "There is no background to compare this score with."
    ordered = sorted(background)
    at_or_above = sum(score >= value for score in ordered)
    middle = ordered[len(ordered) // 2]
    return (
        f"{at_or_above} of {len(ordered)} background positions score as high or higher; "
        f"they lie between {ordered[0]:+.2f} and {ordered[-1]:+.2f}, middle {middle:+.2f}; "
        f"here {value:+.2f} nats a token."
    )
