"""Pane 3: what the reader says of this activation in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from investigator import fidelity
from investigator.events import Answer
from investigator.records import ExplanationRow, Explanations, Row
from investigator.wire import Explain
from screens.bench_place import Place
from screens.score_words import number
from screens.widgets.feature_table import nowhere
from screens.widgets.label_table import score_cells, verdict_cell
from screens.widgets.pane import Pane
from screens.widgets.row_table import Cell, Column, Line


class ExplanationPane(Pane):
    """Drawn texts with log p per token, gap, how often each came, and a verdict."""

    SLOT = "explain"
    NUMBER = 3
    TITLE = "in its own words"
    TEXT_TITLE = "explanation"
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("gap", 6),
        Column("p", 4, least=52),
        Column("log p", 5, least=36),
        Column("n", 2),
        Column("", 1),
    )
    ORDER_WORDS = {"diversity": "MMR"}
    ORDERS: ClassVar[tuple[str, ...]] = ("diversity", "gap", "likelihood", "count")

    def __init__(self) -> None:
        super().__init__()
        self.seed = 0
        """Raised each time the same place is asked again."""

    def verb(self, place: Place) -> Explain | None:
        """Ask where a reader reads the layer."""
        if place.layer not in self.app.layers_with_reader:
            return None
        return self.drawing(place)

    def drawing(self, place: Place, reader: str = "") -> Explain:
        """Return the question that draws as the settings say."""
        given = self.app.settings.explain
        return Explain(
            place.source,
            reader,
            samples=given.samples,
            temperature=given.temperature,
            top_p=given.top_p,
            max_tokens=given.max_tokens,
            beta=given.beta,
            seed=given.seed + self.seed,
        )

    def rows(self, answer: Answer) -> list[Row]:
        """Return the texts that pass the filter, ordered here: no question is needed for that."""
        given = answer.result.rows if isinstance(answer.result, Explanations) else answer.rows.values()
        rows = [row for row in given if isinstance(row, ExplanationRow) and self.filter.lower() in row.text.lower()]
        return [*sorted(rows, key=self._sort_key)]

    def _sort_key(self, row: ExplanationRow) -> tuple[float, float, str]:
        likely = -(row.score.score if row.score.score is not None else -1e9)
        match self.order:
            case "gap":
                return (-(row.score.gap if row.score.gap is not None else -1e9), likely, row.text)
            case "count":
                return (-row.count, likely, row.text)
            case "likelihood":
                return (likely, 0.0, row.text)
            case _:
                return (row.rank or 1e9, likely, row.text)

    def line(self, row: Row) -> Line:
        """Return a text as it is drawn."""
        assert isinstance(row, ExplanationRow)
        cells = (
            *score_cells(row.score, self.app.marks),
            Cell(number(row.score.score, ".2f"), "muted"),
            Cell(str(row.count), "muted"),
            verdict_cell(row.score, self.app.marks),
        )
        told = fidelity.short(row.fidelity)
        text = f"{told} {self.app.marks.dot} {row.text}" if told else row.text
        return Line(row.key, cells, text, "text", self.mark_of(row))

    def summary(self, answer: Answer) -> str:
        """Return how many were drawn and how many differ."""
        found = answer.result
        if not isinstance(found, Explanations):
            return ""
        seed = f" {self.app.marks.dot} seed {self.seed}" if self.seed else ""
        kept = [row.score.verdict for row in found.rows if row.score.verdict]
        judged = f" {self.app.marks.dot} {kept.count('supported')} of {len(kept)} supported" if kept else ""
        return f"{found.drawn} drawn, {found.distinct} distinct{judged}{seed}"

    def hint(self) -> str:
        """Say what to press."""
        return (
            nowhere("reader", self.place, self.app.layers_with_reader)
            or "Press g to draw explanations of this activation."
        )
