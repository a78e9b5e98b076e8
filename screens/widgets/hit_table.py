"""Hits of a corpus search: each position in its words, the token in brackets, all brackets below each other."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from investigator.records import HitRow
from investigator.text import inert, one_line
from screens.marks import Marks
from screens.score_words import gap, number, p_value, verdict_style
from screens.widgets.row_table import Cell, Column, Line, RowTable

COLUMNS = (
    Column("", 4),
    Column("log p", 6),
    Column("gap", 6),
    Column("p", 4, least=64),
    Column("", 1),
    Column("document", 18, least=104, left=True),
)
RULE = "rule"
"""Key of the row that is no hit: where the background begins."""
BEFORE = 0.55
"""Share of a row's room for what stands before the token: what comes after it was not read."""


def line(row: HitRow, rank: int, marks: Marks) -> Line:
    """Return a hit as it is drawn; the words are placed when its width is known."""
    score = row.score
    if score.error is not None:
        cells: tuple[Cell, ...] = (Cell(str(rank), "muted"), Cell("failed", "bad"))
    else:
        estimate = marks.estimate if score.estimate else ""
        cells = (
            Cell(str(rank), "muted"),
            Cell(estimate + number(score.score, ".2f"), "strong"),
            Cell(gap(score, marks), "good" if (score.gap or 0.0) > 0 else "muted"),
            Cell(p_value(score.p), "number"),
            Cell(marks.verdict(score.verdict), verdict_style(score, marks)),
            Cell(one_line(row.document, 18), "muted"),
        )
    return Line(row.key, cells, "".join(row.tokens))


def rule(words: str) -> Line:
    """Return the row that says where the background begins."""
    return Line(RULE, (), words, "mark")


class HitTable(RowTable):
    """The hits in order; the cursor passes over the rule."""

    def __init__(self, marks: Marks) -> None:
        super().__init__(COLUMNS, "where it was found", pointer=marks.cursor, id="corpus-rows")
        self.drawn = marks.rule
        self.hits: dict[str, HitRow] = {}

    def show_hits(self, rows: Sequence[HitRow], lines: Sequence[Line]) -> None:
        """Show these hits, with the rule among them."""
        self.hits = {row.key: row for row in rows}
        self.show(lines)

    @property
    def hit(self) -> HitRow | None:
        """Return the selected hit."""
        current = self.current
        return self.hits.get(current.key) if current else None

    def move(self, by: int) -> None:
        """Select another hit, never the rule."""
        if not self.lines:
            return
        last = len(self.lines) - 1
        at = max(0, min(last, self.index + by))
        if self.lines[at].key == RULE:
            at = at + (1 if by > 0 else -1) if 0 < at < last else self.index
        self.select(self.lines[at].key)

    def _pieces(self, line: Line, chosen: bool) -> list[tuple[str, str]]:
        if line.key == RULE:
            words = f"{self.drawn * 2} {line.text} "
            return [(words + self.drawn * max(0, self.columns_wide - cell_len(words)), "mark")]
        *numbers, (_, style), last = super()._pieces(line, chosen)
        hit = self.hits.get(line.key)
        return [*numbers, *(_words(hit, self._room(), style) if hit else []), last]


def _words(hit: HitRow, room: int, style: str) -> list[tuple[str, str]]:
    """Return an excerpt in `room` cells with its token at the same place in every row."""
    before, token, after = split(hit)
    peak = f"[{token}]"
    left = max(0, int(room * BEFORE))
    shown = _tail(before, left)
    rest = max(0, room - left - cell_len(peak))
    return [(shown, style), (peak, "mark"), (set_cell_size(after, rest), "muted")]


def split(hit: HitRow) -> tuple[str, str, str]:
    """Return what stands before a hit's token, the token without its blank, and what follows, all inert."""
    token = inert(hit.tokens[hit.peak]) if hit.peak < len(hit.tokens) else ""
    bare = token.lstrip(" ")
    before = inert("".join(hit.tokens[: hit.peak])) + token[: len(token) - len(bare)]
    return before, bare, inert("".join(hit.tokens[hit.peak + 1 :]))


def _tail(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[1:]
    return " " * (width - cell_len(text)) + text
