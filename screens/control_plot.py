"""Controls drawn around a score: one row a control, all on one axis of gaps, with the numbers beside them in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from investigator.records import Control, Score
from investigator.text import one_line
from screens.widgets.strip_plot import density

NAMED = 18
"""Cells of a control's name."""
NUMBERS = 16
"""Cells of its numbers."""
LEAST = 12
"""Cells below which nothing is drawn and the numbers stand alone."""
LETTERS = {"mean": "m", "random norm": "n", "random covariance": "c", "other tokens": "o", "prompt only": "p"}
"""How controls are marked on a single line; others by their first letter."""


class Beside(msgspec.Struct, frozen=True):
    """One control as gaps: above what the same text gets on the background."""

    name: str
    gaps: tuple[float, ...]
    mean: float
    count: int


def letter(name: str) -> str:
    """Return the mark of a control on a single line."""
    return LETTERS.get(name.replace("-", " "), (name.strip() or "?")[0])


def beside(score: Score, background: Sequence[float] = ()) -> list[Beside]:
    """Return a score's controls as gaps, the background first; none where the score has no gap.

    Gap against gap, because another reader's scores (prompt only) lie on a scale of their own.
    """
    if score.score is None or score.gap is None:
        return []
    base = score.score - score.gap
    given = [control for control in score.controls if not (background and control.name == "background")]
    found = [_gaps(control, base) for control in given]
    return [*([_background(background, base)] if background else []), *found]


def _background(values: Sequence[float], base: float) -> Beside:
    gaps = tuple(value - base for value in values)
    return Beside("background", gaps, sum(gaps) / len(gaps), len(gaps))


def _gaps(control: Control, base: float) -> Beside:
    own = control.score - control.gap if control.gap is not None else base
    values = control.values or (control.score,)
    return Beside(control.name, tuple(value - own for value in values), control.score - own, control.count)


def lines(
    score: Score,
    background: Sequence[float],
    width: int,
    *,
    here: str = "●",
    guide: str = "╎",
    ascii_marks: bool = False,
) -> list[str]:
    """Return the plot: a line for this place, then one a control; each with its mean gap and its number of vectors."""
    rows, gap = beside(score, background), score.gap
    if gap is None or not rows:
        return []
    wide = width - NAMED - NUMBERS - 2
    low = min(gap, *(value for row in rows for value in row.gaps))
    high = max(gap, *(value for row in rows for value in row.gaps))
    if wide < LEAST:
        return [_words("this place", gap, 0), *(_words(row.name, row.mean, row.count) for row in rows)]
    at = _cell(gap, low, high, wide)
    first = f"{'this place':<{NAMED}} {' ' * at}{here}{' ' * (wide - at - 1)} {gap:+.2f}"
    return [first, *_drawn(rows, (low, high, wide), (at, guide), ascii_marks)]


def _drawn(
    rows: Sequence[Beside], axis: tuple[float, float, int], mark: tuple[int, str], ascii_marks: bool
) -> Iterator[str]:
    low, high, wide = axis
    at, guide = mark
    for row in rows:
        cells = list(density([_cell(value, low, high, wide) for value in row.gaps], wide, ascii_marks))
        cells[at] = guide if cells[at] == " " else cells[at]
        yield f"{_name(row.name)} {''.join(cells)} {_numbers(row.mean, row.count)}"


def _words(name: str, gap: float, count: int) -> str:
    return f"{_name(name)} {_numbers(gap, count)}"


def _name(name: str) -> str:
    return f"{one_line(name, NAMED):<{NAMED}}"


def _numbers(gap: float, count: int) -> str:
    many = f" n {count:,}" if count > 1 else ""
    return f"{gap:+.2f}{many}"


def _cell(value: float, low: float, high: float, width: int) -> int:
    span = high - low or 1.0
    return min(int((value - low) / span * width), width - 1)
