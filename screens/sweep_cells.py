"""A sweep's cells as they are drawn: values on one scale, short texts, and the cursor's cell in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

import msgspec
from rich.cells import set_cell_size

from investigator.records import SweepCell, SweepRow, Swept, Token
from investigator.text import inert, one_line
from screens.marks import Marks
from screens.work import Work

View = Literal["numbers", "bars", "words"]
VIEWS: tuple[View, ...] = ("numbers", "bars", "words")
WIDTHS = {"numbers": 7, "words": 18}
"""Cells of one token."""
WIDEST_BAR = 6
WIDEST_WORDS = 34
TALLEST = 4
"""Lines of one layer where its words have room."""
BLANK = SweepCell()


class Scale(msgspec.Struct, frozen=True):
    """From values to shares of the hottest; what is 0 or below is cold where 0 means nothing."""

    low: float = 0.0
    top: float = 1.0

    def share(self, value: float) -> float:
        """Return a value's share, 0 to 1."""
        return max(0.0, min(1.0, (value - self.low) / max(self.top - self.low, 1e-9)))


def scale_of(rows: Sequence[SweepRow]) -> Scale:
    """Return the scale that all rows share: from 0 for gaps and activations, from the least for bare scores."""
    cells = [cell for row in rows for cell in row.cells]
    known = [cell.value for cell in cells if cell.value is not None]
    bare = any(cell.value is not None and cell.activation is None and cell.score.gap is None for cell in cells)
    return Scale(min(known, default=0.0) if bare else 0.0, max(known, default=1.0))


def rows_of(work: Work | None) -> list[SweepRow]:
    """Return the layers of the whole answer, else those that have come so far."""
    if work is None:
        return []
    result = work.answer.result
    found = result.rows if isinstance(result, Swept) else work.answer.rows.values()
    return [row for row in found if isinstance(row, SweepRow)]


def mark_of(cell: SweepCell, marks: Marks) -> str:
    """Return what stands in a cell without a number: it failed, or it is to come."""
    return marks.bad if cell.score.error is not None else marks.dot


def drawn(cell: SweepCell, view: View, width: int, scale: Scale, marks: Marks, *, here: bool) -> str:
    """Return a cell's text, exactly `width` cells wide."""
    value = cell.value
    if view == "bars":
        bar = marks.bar(scale.share(value)) * width if value is not None else mark_of(cell, marks).center(width)
        return f"[{bar[1:-1]}]" if here and width > 2 else bar
    sign = marks.cursor if here else " "
    said = mark_of(cell, marks) if value is None else figure(cell)
    return sign + set_cell_size(said.rjust(min(width, WIDTHS["numbers"]) - 2), width - 2) + " "


def worded(cell: SweepCell, width: int, height: int, scale: Scale, marks: Marks, *, here: bool) -> list[str]:
    """Return a cell's words in `height` lines of `width` cells, its number in the last where there are several."""
    plain = drawn(cell, "numbers", width, scale, marks, here=here)
    if not cell.text:
        return [plain, *[" " * width] * (height - 1)]
    room = height - 1 if height > 1 and cell.value is not None else height
    lines = textwrap.wrap(one_line(cell.text, 400), width - 2, max_lines=room, placeholder=marks.cut) or [marks.cut]
    said = [*lines, *[""] * (room - len(lines)), *([figure(cell)] if room < height else [])]
    sign = marks.cursor if here else " "
    return [(" " if at else sign) + set_cell_size(text, width - 2) + " " for at, text in enumerate(said)]


def figure(cell: SweepCell) -> str:
    """Return a cell's number: a gap or score with its sign, an activation without."""
    value = cell.value
    return "" if value is None else f"{value:.2f}" if cell.activation is not None else f"{value:+.2f}"


def named(token: Token, width: int, view: View) -> str:
    """Return a token over its column."""
    word = inert(token.text).strip() or "␣"
    if view == "words":
        return " " + set_cell_size(word, width - 1)
    return set_cell_size(set_cell_size(word, width - 1).strip().rjust(width - 1), width - 1) + " "


def where(token: str, layer: int) -> str:
    """Return a cell's place in words."""
    return f'"{one_line(token.strip() or " ", 18)}" L{layer}'


def numbers(cell: SweepCell, row: SweepRow, marks: Marks) -> str:
    """Return everything that is known of a cell's number, and who read it."""
    one = cell.score
    if cell.activation is not None:
        return f"activation {cell.activation:.3f}"
    if one.error is not None:
        return "failed"
    if one.score is None:
        return "not read yet"
    parts = [f"gap {one.gap:+.3f}" if one.gap is not None else ""]
    parts += [f"p {one.p:.3f} over {one.background} places" if one.p is not None else "", f"log p/tok {one.score:.3f}"]
    return f" {marks.dot} ".join(part for part in [*parts, row.reader] if part)


def summary(rows: Sequence[SweepRow], marks: Marks) -> str:
    """Return what a finished sweep says of itself."""
    if not rows:
        return ""
    cells = sum(len(row.cells) for row in rows)
    failed = sum(cell.score.error is not None for row in rows for cell in row.cells)
    layers = f"{len(rows)} layer{'s' if len(rows) > 1 else ''}, {cells} cells"
    index = "labels by the index, numbers exact" if any(row.stage == "estimate" for row in rows) else ""
    return f" {marks.dot} ".join(part for part in (layers, f"{failed} not readable" if failed else "", index) if part)


def strongest(row: SweepRow) -> int:
    """Return the position of a row's largest value; its first where none is known."""
    known = [(cell.value, -at) for at, cell in enumerate(row.cells) if cell.value is not None]
    return row.first - (max(known)[1] if known else 0)
