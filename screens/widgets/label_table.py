"""Pane 2: every label, ranked by how well it fits this activation (L2EL)."""

from __future__ import annotations

from typing import Literal, cast

from investigator.events import Answer
from investigator.records import LabelRow, Labels, Row, Score
from investigator.wire import RankLabels
from screens.bench_place import Place
from screens.marks import Marks
from screens.score_words import gap, number, p_value, verdict_style
from screens.widgets.feature_table import nowhere
from screens.widgets.pane import Pane
from screens.widgets.row_table import Cell, Column, Line

Order = Literal["gap", "score", "activation"]
STREAMED = 50
"""Rows shown while they stream: an index's first candidates are more than the answer will hold."""
INDEXED = ("estimate", "rescored")
"""Stages whose rows the index chose, so that how many it finds matters."""


class LabelPane(Pane):
    """Labels with gap, p, log p per token and the SAE's activation."""

    SLOT = "labels"
    NUMBER = 2
    TITLE = "labels"
    COLUMNS = (
        Column("gap", 6),
        Column("p", 4),
        Column("fdr", 4, least=58),
        Column("log p", 5, least=52),
        Column("act", 5),
        Column("", 1),
    )
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
        return [*sorted(rows, key=self._streaming_order)[:STREAMED]]

    def _streaming_order(self, row: LabelRow) -> tuple[float, str]:
        value = row.activation if self.order == "activation" else getattr(row.score, self.order)
        return (-value if value is not None else float("inf"), row.text)

    def line(self, row: Row) -> Line:
        """Return a label as it is drawn."""
        assert isinstance(row, LabelRow)
        cells = (
            *score_cells(row.score, self.app.marks),
            Cell(p_value(row.score.fdr), "muted"),
            Cell(number(row.score.score, ".2f"), "muted"),
            Cell(
                activation(row.activation) if row.activation else self.app.marks.dot,
                "number" if row.activation else "muted",
            ),
            verdict_cell(row.score, self.app.marks),
        )
        return Line(row.key, cells, row.text, "text", self.mark_of(row))

    def summary(self, answer: Answer) -> str:
        """Return how many labels were scored, ties and failures named."""
        found = answer.result
        if not isinstance(found, Labels):
            return ""
        parts = [self._stage(found), f"{found.total:,} labels"]
        parts += [f"{found.supported} supported{_at_most(found)}"] if found.supported is not None else []
        parts += [f"recall {p_value(found.recall)}"] if found.recall is not None and found.stage in INDEXED else []
        parts += [f"{found.ties} tied"] if found.ties else []
        parts += [f"{found.failed} failed"] if found.failed else []
        return f" {self.app.marks.dot} ".join(parts)

    def _stage(self, found: Labels) -> str:
        return f"{self.app.marks.estimate} estimate" if found.stage == "estimate" else found.stage

    def hint(self) -> str:
        """Say where a reader is."""
        return nowhere("reader", self.place, self.app.layers_with_reader)


def score_cells(score: Score, marks: Marks) -> tuple[Cell, Cell]:
    """Return the cells of gap and p; a failed score says so."""
    if score.error is not None:
        return Cell("failed", "bad"), Cell("")
    style = "number" if score.gap is None else "good" if score.gap > 0 else "muted"
    return Cell(gap(score, marks), style), Cell(p_value(score.p), "number")


def activation(value: float) -> str:
    """Return an activation in at most five cells."""
    return f"{value:.2f}" if value < 99.995 else f"{value:.0f}"


def verdict_cell(score: Score, marks: Marks) -> Cell:
    """Return the mark of a score's verdict."""
    return Cell(marks.verdict(score.verdict), verdict_style(score, marks))


def _at_most(found: Labels) -> str:
    rates = [row.score.fdr for row in found.rows if row.score.verdict == "supported" and row.score.fdr is not None]
    return f" (fdr {p_value(max(rates))})" if rates else ""
