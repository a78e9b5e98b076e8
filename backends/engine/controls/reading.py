"""One reader's scores of hypotheses at a list of vectors: first alone, then against the background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backends.engine.controls.phrasings import Phrased
from backends.engine.controls.statistics import Floats, middle
from backends.engine.likelihood import Ids
from backends.engine.readers import scores
from backends.engine.readers.backgrounds import Background, Panel, background_of, filled
from backends.engine.readers.prepared import score_prepared
from backends.engine.readers.reader import Reader
from investigator.records import Score, Wording

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


class Reading:
    """Hypotheses at vectors `[n, d]`; every number is the median over a hypothesis' phrasings."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, phrased: Phrased, at: Tensor) -> None:
        self.reader, self.phrased, self.at = reader, phrased, at
        self.background: Background | None = background_of(engine, reader)
        self.values = torch.full((len(at), len(phrased.prepared.texts)), torch.nan, dtype=torch.float64)
        self.scored = False
        self._ids = dict(zip(phrased.prepared.valid.tolist(), phrased.prepared.ids, strict=True))

    def score(self) -> Iterator[None]:
        """Score every phrasing at every vector."""
        soft = self.reader.soft(self.at)
        for done in score_prepared(self.reader.speaker, soft, self.phrased.prepared) if len(self.at) else ():
            self.values[done.sources.start : done.sources.stop, done.texts] = done.scores
            yield None
        self.scored = True

    def compare(self) -> Iterator[tuple[int, int] | None]:
        """Score every phrasing at the background positions, where that is not known from before."""
        yield from filled(self.background, self.asked)

    @property
    def asked(self) -> list[Ids]:
        """Token ids of every phrasing of every hypothesis, each once, in order."""
        count = len(self.phrased.texts)
        return list(dict.fromkeys(ids for text in range(count) for ids in self.ids(text)))

    def ids(self, text: int) -> list[Ids]:
        """Return the token ids of a hypothesis' phrasings."""
        return [self._ids[index] for index in self.phrased.valid(text)]

    def here(self, place: int, text: int) -> Floats:
        """Return the scores of a hypothesis' phrasings at one of the vectors, `[phrasings]`."""
        found: Floats = self.values[place, self.phrased.valid(text)].numpy()
        return found

    def table(self, panel: Panel | None, text: int) -> Floats | None:
        """Return the scores of a hypothesis' phrasings over a panel `[phrasings, places]`; None if unknown or NaN."""
        ids = self.ids(text)
        rows = [panel.scores(each) for each in ids] if panel is not None else []
        if not rows or not all(rows):
            return None
        found = np.array(rows)
        return found if bool(np.isfinite(found).all()) else None

    def behind(self, text: int) -> tuple[float, ...]:
        """Return a hypothesis' background scores, empty while unknown; NaN never leaves."""
        table = self.table(self.background, text)
        return () if table is None else tuple(middle(table).tolist())

    def at_place(self, place: int, text: int, behind: tuple[float, ...] | None = None) -> Score:
        """Return a hypothesis' score at one of the vectors; `behind` where its background is at hand."""
        error, typed = self.phrased.error(text), self.phrased.typed[text]
        if error:
            return scores.failed(error)
        background = self.behind(text) if behind is None else behind
        return scores.against(float(middle(self.here(place, text))), self.phrased.prepared.lengths[typed], background)

    def wordings(self, place: int, text: int) -> tuple[Wording, ...]:
        """Return what each phrasing gets at one of the vectors."""
        if self.phrased.error(text):
            return ()
        table = self.table(self.background, text)
        means = None if table is None else dict(zip(self.phrased.valid(text), table.mean(1).tolist(), strict=True))
        return tuple(self._wording(place, index, means) for index in self.phrased.wordings[text])

    def _wording(self, place: int, index: int, means: dict[int, float] | None) -> Wording:
        said = self.phrased.prepared.texts[index]
        if index in self.phrased.prepared.errors:
            return Wording(said, error=self.phrased.prepared.errors[index])
        value = float(self.values[place, index])
        if not np.isfinite(value):
            return Wording(said, error=scores.NOT_FINITE)
        return Wording(said, value, None if means is None else value - means[index])


def wording_spread(wordings: tuple[Wording, ...]) -> float | None:
    """Return half the distance between the largest and smallest gap; None with fewer than two."""
    gaps = [wording.gap for wording in wordings if wording.gap is not None]
    return (max(gaps) - min(gaps)) / 2 if len(gaps) > 1 else None
