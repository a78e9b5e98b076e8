"""Pane 1: the SAE's active latents."""

from __future__ import annotations

from typing import Literal, cast

from investigator.events import Answer
from investigator.records import FeatureRow, Features, Row
from investigator.wire import ShowFeatures
from screens.bench_place import Place
from screens.widgets.pane import Pane
from screens.widgets.row_table import Cell, Column, Line


class FeaturePane(Pane):
    """Active latents with activation, robust z, firing rate and label."""

    SLOT = "features"
    NUMBER = 1
    TITLE = "SAE features"
    COLUMNS = (Column("act", 6), Column("z", 4), Column("rate", 5, least=36), Column("latent", 6, least=60))
    ORDERS = ("z", "activation", "rate")

    def __init__(self) -> None:
        super().__init__()
        self.unlabelled = True
        """Whether latents without a label are shown."""

    def verb(self, place: Place) -> ShowFeatures | None:
        """Ask where an SAE reads the layer."""
        order = cast(Literal["activation", "z", "rate"], self.order)
        known = place.layer in self.app.layers_with_sae
        if not known:
            return None
        return ShowFeatures(place.source, order=order, filter=self.filter, unlabelled=self.unlabelled)

    def rows(self, answer: Answer) -> list[Row]:
        """Return the rows as the backend ordered them."""
        if isinstance(answer.result, Features):
            return list(answer.result.rows)
        return [row for row in answer.rows.values() if isinstance(row, FeatureRow)]

    def line(self, row: Row) -> Line:
        """Return a latent as it is drawn."""
        assert isinstance(row, FeatureRow)
        text = row.labels[0] if row.labels else f"(no label) #{row.latent}"
        more = f"  (+{len(row.labels) - 1})" if len(row.labels) > 1 else ""
        cells = (
            Cell(f"{row.activation:.2f}", "strong"),
            Cell(f"{row.z:.1f}", "number"),
            Cell(rate(row.rate), "muted"),
            Cell(str(row.latent), "muted"),
        )
        return Line(row.key, cells, text + more, "text" if row.labels else "muted", self.mark_of(row))

    def summary(self, answer: Answer) -> str:
        """Return how many latents fire."""
        found = answer.result
        if not isinstance(found, Features):
            return ""
        hidden = "" if self.unlabelled else " hidden"
        return f"{found.active} active {self.app.marks.dot} {found.unlabelled} without a label{hidden}"

    def hint(self) -> str:
        """Say where an SAE is."""
        return nowhere("SAE", self.place, self.app.layers_with_sae)

    def texts_of(self, row: Row) -> tuple[str, ...]:
        """Return the latent's labels."""
        return row.labels if isinstance(row, FeatureRow) else ()


def rate(value: float) -> str:
    """Return a firing rate as a percentage in at most five cells."""
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}" if value < 1 else "100%"


def nowhere(what: str, place: Place | None, layers: frozenset[int]) -> str:
    """Return a sentence where a layer has no SAE or reader, and which layers do."""
    if place is None or place.layer in layers:
        return ""
    if not layers:
        return f"The workbench names no {what}."
    where = ", ".join(f"L{layer}" for layer in sorted(layers))
    return f"No {what} reads layer {place.layer}; one reads {where}. Press [ or ] to go there."
