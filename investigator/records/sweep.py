"""A sweep: what one reader a layer says of every token of a prompt."""

from __future__ import annotations

from typing import Literal

from investigator.records.base import Record
from investigator.records.score import Score


class SweepCell(Record, frozen=True):
    """One token at one layer."""

    score: Score = Score()
    """Of the text that was asked, else of `text`; where the cell failed, its `error` alone."""
    text: str = ""
    """What the reader says here, where no text was asked; model text."""
    activation: float | None = None
    """The latent's activation, where a latent was asked."""

    @property
    def value(self) -> float | None:
        """Return what the cell is coloured by: the activation, else the gap, else the score; None where it failed."""
        if self.activation is not None:
            return self.activation
        return self.score.gap if self.score.gap is not None else self.score.score


class SweepRow(Record, frozen=True, tag_field="row", tag="sweep"):
    """One layer, all tokens."""

    layer: int
    reader: str = ""
    """Which reader read this layer; empty for a latent."""
    method: Literal["score", "labels", "greedy", "activation"] = "score"
    """`score`: the text that was asked; `labels`: the best of the reader's label set; `greedy`: its likeliest words;
    `activation`: a latent's."""
    first: int = 0
    """Position of the first cell in the prompt."""
    cells: tuple[SweepCell, ...] = ()
    """One a token."""
    stage: Literal["estimate", "exact"] = "exact"
    """`estimate`: an index chose a few labels a cell, and the best of these is shown, with exact numbers."""
    recall: float | None = None
    """Share of the true top labels that the index's estimate alone has among as many, measured when it was made; None
    without one. The shown label is the best of sixteen, so it is missed less often."""
    note: str = ""
    """What is worth knowing, e.g. why an index was not used."""
    error: str | None = None
    """Why nothing of this layer could be read."""

    @property
    def key(self) -> str:
        """Return the identity by which partial rows replace each other."""
        return str(self.layer)

    def cell(self, position: int) -> SweepCell | None:
        """Return the cell of a position of the prompt, where it was swept."""
        at = position - self.first
        return self.cells[at] if 0 <= at < len(self.cells) else None


class Swept(Record, frozen=True, tag_field="result", tag="sweep"):
    """Layers and tokens of a prompt, read one by one."""

    subject: str
    text: str
    """What every cell was scored on; empty: what each cell's reader says itself, or a latent's activation."""
    first: int
    end: int
    """One past the last position."""
    rows: tuple[SweepRow, ...]
    """One a layer, in rising order."""
    sae: str = ""
    latent: int | None = None
