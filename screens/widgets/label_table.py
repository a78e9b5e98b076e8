"""Pane 2: every label, ranked by how well it fits this activation (L2EL)."""

from __future__ import annotations

from typing import Literal, cast

from investigator.events import Answer
from investigator.records import LabelRow, Labels, Row, Score
from investigator.wire import RankLabels
from screens.bench_place import Place
from screens.marks import Marks
from screens.widgets.feature_table import nowhere
from screens.widgets.pane import Pane
from screens.widgets.row_table import Cell, Column, Line

Order = Literal["gap", "score", "activation"]


class LabelPane(Pane):
    """Labels with gap, p, log p per token and the SAE's activation."""

    SLOT = "labels"
    NUMBER = 2
    TITLE = "labels"
    COLUMNS = (Column("gap", 5), Column("p", 4), Column("log p", 5, least=52), Column("act", 6))
    ORDERS = ("gap", "score", "activation")
    ORDER_WORDS = {"gap": "L2EL gap", "score": "L2EL log p"}

    def verb(self, place: Place) -> RankLabels | None:
        """Ask where a reader reads the layer."""
        if place.layer not in self.app.layers_with_reader:
            return None
        return RankLabels(place.source, order=cast(Order, self.order), filter=self.filter)

    def rows(self, answer: Answer) -> list[Row]:
        """Return the ranked rows; while they stream, those that came, best first."""
        if isinstance(answer.result, Labels):
            return list(answer.result.rows)
        rows = [row for row in answer.rows.values() if isinstance(row, LabelRow)]
        return [*sorted(rows, key=self._streaming_order)]

    def _streaming_order(self, row: LabelRow) -> tuple[float, str]:
        value = row.activation if self.order == "activation" else getattr(row.score, self.order)
        return (-value if value is not None else float("inf"), row.text)

    def line(self, row: Row) -> Line:
        """Return a label as it is drawn."""
        assert isinstance(row, LabelRow)
        cells = (
            *score_cells(row.score),
            Cell(number(row.score.score, ".2f"), "muted"),
            Cell(
                f"{row.activation:.2f}" if row.activation else self.app.marks.dot,
                "number" if row.activation else "muted",
            ),
        )
        mark = self.app.marks.same_mark if row.text in self.same else ""
        return Line(row.key, cells, row.text, "text", mark)

    def summary(self, answer: Answer) -> str:
        """Return how many labels were scored, ties and failures named."""
        found = answer.result
        if not isinstance(found, Labels):
            return ""
        parts = ["exact", f"{found.total:,} labels"]
        parts += [f"{found.ties} tied"] if found.ties else []
        parts += [f"{found.failed} failed"] if found.failed else []
        return f" {self.app.marks.dot} ".join(parts)

    def hint(self) -> str:
        """Say where a reader is."""
        return nowhere("reader", self.place, self.app.layers_with_reader)


def number(value: float | None, form: str) -> str:
    """Return a number, or nothing where it is not known."""
    return "" if value is None else format(value, form)


def p_value(value: float | None) -> str:
    """Return p without its leading zero, in at most five cells: .002, .31."""
    if value is None:
        return ""
    return f"{value:.3f}".lstrip("0") if value < 0.1 else f"{value:.2f}".lstrip("0")


def score_cells(score: Score) -> tuple[Cell, Cell]:
    """Return the cells of gap and p; a failed score says so."""
    if score.error is not None:
        return Cell("failed", "bad"), Cell("")
    style = "number" if score.gap is None else "good" if score.gap > 0 else "muted"
    return Cell(number(score.gap, "+.2f"), style), Cell(p_value(score.p), "number")


def verdict_cell(score: Score, marks: Marks) -> Cell:
    """Return the mark of a score's verdict."""
    mark = marks.verdict(score.verdict)
    return Cell(mark, "good" if mark == marks.good else "bad" if mark == marks.bad else "muted")
