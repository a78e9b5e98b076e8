"""Hypotheses downstream: their scores at a reader's layer with and without the edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine.controls.phrasings import phrased
from backends.engine.controls.reading import Reading
from backends.engine.intervening.passes import Steps
from backends.engine.readers.reader import open_reader
from investigator.records import Score, Shift
from investigator.wire import Intervene

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

NO_SCORE = "There is no score without the change to compare with."


class Downstream:
    """Every hypothesis at every run's vector; each score is the median over the default phrasings."""

    def __init__(self, engine: WorkbenchEngine, verb: Intervene) -> None:
        self._engine = engine
        self.reader = open_reader(engine, verb.reader)
        self._phrased = phrased(self.reader, verb.hypotheses, None, {})
        self.before: tuple[float | None, ...] = ()
        """Scores without the change, one a hypothesis."""
        self._unedited = torch.empty(0)

    def unedited(self, vector: Tensor) -> Steps[None]:
        """Score at the unedited vector `[d]`."""
        self._unedited = vector
        scores = yield from self._scores(vector[None])
        self.before = tuple(score.score for score in scores[0])

    def shifts(self, vector: Tensor, randoms: Tensor) -> Steps[tuple[Shift, ...]]:
        """Score at an edited vector `[d]` and at random twins `[n, d]`; returns a shift a hypothesis.

        A vector that the change does not reach is the unedited one to the bit, and so is its score: scored again in
        another batch it could differ by the last bits.
        """
        vectors = torch.cat([vector[None], randoms])
        moved = [at for at, each in enumerate(vectors) if not torch.equal(each, self._unedited)]
        found = (yield from self._scores(vectors[moved])) if moved else []
        scores = dict(zip(moved, found, strict=True))
        return tuple(
            self._shift(text, [scores[at][index] if at in scores else None for at in range(len(vectors))])
            for index, text in enumerate(self._phrased.texts)
        )

    def _scores(self, vectors: Tensor) -> Steps[list[list[Score]]]:
        reading = Reading(self._engine, self.reader, self._phrased, vectors)
        yield from reading.score()
        return [[reading.at_place(at, text) for text in range(len(self._phrased.texts))] for at in range(len(vectors))]

    def _shift(self, text: str, scores: list[Score | None]) -> Shift:
        before = self.before[self._phrased.texts.index(text)]
        error = next((score.error for score in scores if score is not None and score.error), None)
        if before is None or error:
            return Shift(text, error=error or self._phrased.error(self._phrased.texts.index(text)) or NO_SCORE)
        changes = [0.0 if score is None or score.score is None else score.score - before for score in scores]
        return Shift(text, before + changes[0], changes[0], tuple(changes[1:]))
