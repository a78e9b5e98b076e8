"""One column of a comparison: for every reader and method what is said there, with agreement and lift above it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from investigator.records import ComparedRow, Reading
from screens.marks import Marks
from screens.score_words import number, p_value
from screens.widgets.row_table import Cell, Column, Line, RowTable

HEAD = "head:"
"""Begins the key of a line that is no text: a reader and its numbers."""
COLUMNS = (Column("gap", 5, least=30),)


def short(value: float | None, *, sign: bool = False) -> str:
    """Return a cosine or a lift with two digits and no leading zero: .62, +.14."""
    return number(value, "+.2f" if sign else ".2f").replace("0.", ".", 1)


def agreement(reading: Reading) -> str:
    """Return agreement, lift and p in words; nothing where nothing was reckoned."""
    parts = [f"agree {short(reading.agreement)}"] if reading.agreement is not None else []
    if reading.lift is not None:
        parts += [f"lift {short(reading.lift, sign=True)}", f"p {p_value(reading.p)}"]
    return "  ".join(parts)


def lines(rows: Sequence[ComparedRow], column: str) -> list[Line]:
    """Return a column's lines: a heading for each row, its texts, or why there are none.

    A heading names the reader only where there are several: a quarter of the screen holds some thirty cells.
    """
    found: list[Line] = []
    several = len({row.reader for row in rows}) > 1 and column != "own"
    for row in rows:
        reading = row.reading(column)
        words = agreement(reading).partition("  p ")[0] if reading is not None else ""
        who = f"{row.method} {row.reader}" if several else row.method
        found.append(Line(f"{HEAD}{row.key}", (), f"{who}  {words}".rstrip(), "mark"))
        found += _texts(row, reading)
    return found


def _texts(row: ComparedRow, reading: Reading | None) -> list[Line]:
    if reading is None:
        return [Line(f"{row.key}#0", (), "not asked", "muted")]
    if not reading.texts:
        why = reading.error or reading.note or "not read yet"
        return [Line(f"{row.key}#0", (), why, "bad" if reading.error else "muted")]
    found = []
    for at, text in enumerate(reading.texts):
        score = reading.scores[at] if at < len(reading.scores) else None
        gap = score.gap if score is not None else None
        found.append(Line(f"{row.key}#{at}", (Cell(number(gap, "+.2f"), "good" if (gap or 0) > 0 else "muted"),), text))
    return found


class ReadingTable(RowTable):
    """The lines of one column; the cursor passes over the headings."""

    def __init__(self, column: str, marks: Marks) -> None:
        super().__init__(COLUMNS, "what it says", pointer=marks.cursor, id=f"reading-{column}")
        self.column = column
        self.drawn = marks.rule
        self.texts: dict[str, tuple[ComparedRow, Reading, int]] = {}
        """The row, the reading and the place of every line that is a text."""

    def show_rows(self, rows: Sequence[ComparedRow], *, dimmed: bool) -> None:
        """Show what this column says."""
        self.texts = {
            f"{row.key}#{at}": (row, reading, at)
            for row in rows
            if (reading := row.reading(self.column)) is not None
            for at in range(len(reading.texts))
        }
        self.show(lines(rows, self.column), dimmed=dimmed)
        if self.selected is None and len(self.lines) > 1:
            self.select(self.lines[1].key)

    @property
    def text(self) -> str:
        """Return the selected text; empty where none is."""
        found = self.texts.get(self.current.key) if self.current else None
        return found[1].texts[found[2]] if found else ""

    def move(self, by: int) -> None:
        """Select another text, never a heading."""
        if not self.lines:
            return
        step, at, last = (1 if by > 0 else -1), self.index + by, len(self.lines) - 1
        at = max(0, min(last, at))
        if self.lines[at].key.startswith(HEAD):
            at += step
        if 0 <= at <= last and not self.lines[at].key.startswith(HEAD):
            self.select(self.lines[at].key)

    def _pieces(self, line: Line, chosen: bool) -> list[tuple[str, str]]:
        if line.key.startswith(HEAD):
            words = f"{self.drawn} {line.text} "
            return [(words + self.drawn * max(0, self.columns_wide - cell_len(words)), "mark")]
        return super()._pieces(line, chosen)
