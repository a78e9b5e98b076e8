"""The tokens of one prompt at one layer: those that can be read, as vectors, and why the others cannot."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from backends.engine.readers import scores
from backends.engine.verbs.test import SPECIAL
from investigator.records import SweepCell
from investigator.sources import Residual

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

T = TypeVar("T")
Told = tuple[int, str] | None
"""None at each model step; now and then how many tokens are done, and what is being done."""
Step = Told | list[SweepCell]
"""The same, or the cells of the first readable tokens, as far as they are known."""
Steps = Generator[Step, None, T]
NOT_FINITE = "The activation holds NaN or infinity, so nothing can be read from it. Look at another token."


@dataclass(frozen=True)
class Columns:
    """The swept tokens at one layer."""

    place: Residual
    """The prompt at this layer, its first token and its end."""
    errors: tuple[str, ...]
    """One a token; empty where it can be read."""
    vectors: Tensor
    """[readable tokens, d] float32."""

    @property
    def readable(self) -> list[int]:
        """Return the positions in the prompt that can be read."""
        return [self.place.position + at for at, error in enumerate(self.errors) if not error]

    def filled(self, read: Iterable[SweepCell]) -> tuple[SweepCell, ...]:
        """Return one cell a token, from those of the readable ones in order; blank where these are not known yet."""
        cells = iter(read)
        blank = SweepCell()
        return tuple(SweepCell(scores.failed(error)) if error else next(cells, blank) for error in self.errors)


def columns(engine: WorkbenchEngine, place: Residual) -> Columns:
    """Return the tokens of a span at its layer; runs the subject where the prompt is not captured."""
    subject = engine.parts.subject(place.subject)
    ids = place.token_ids[place.position : end_of(place)]
    vectors = engine.captures.get(subject, place.token_ids).residuals[place.layer, place.position : end_of(place)]
    finite = torch.isfinite(vectors).all(-1).tolist()
    errors = tuple(
        SPECIAL if id in subject.special_ids else "" if good else NOT_FINITE
        for id, good in zip(ids, finite, strict=True)
    )
    return Columns(place, errors, vectors[torch.tensor([not error for error in errors])])


def end_of(place: Residual) -> int:
    """Return one past the last position of a resolved span."""
    return place.position + 1 if place.end is None else place.end
