"""Self-scores: the best text that the usual procedure draws from each covariance-random vector, under that vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from backends.engine.controls.artefacts import Procedure
from backends.engine.controls.statistics import Floats
from backends.engine.readers.backgrounds import PART, background_of, filled
from backends.engine.readers.drawn import Drawing, longest
from backends.engine.readers.reader import Reader
from investigator.sources import Mean
from investigator.wire import Explain

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def usual_procedure(reader: Reader, vectors: int) -> Procedure:
    """Return the procedure that `explain` follows where nothing else is asked; a short context draws shorter texts."""
    usual = Explain(Mean("", 0))
    return Procedure(
        vectors=vectors,
        samples=usual.samples,
        temperature=usual.temperature,
        top_p=usual.top_p,
        max_tokens=min(longest(reader, usual.max_tokens), reader.speaker.context - reader.slots - 1),
        beta=usual.beta,
        keep=usual.keep,
    )


def self_score(
    engine: WorkbenchEngine, reader: Reader, vector: Tensor, how: Procedure, seed: int, known: Mapping[str, float]
) -> Iterator[Floats | None]:
    """Yield None at each model step, then `[2]`: gap and score of the best text drawn from one vector `[d]`.

    The best is the one with the largest gap among the texts that `explain` would pick, as each of these is judged. A
    vector from which nothing can be drawn has NaN. `known` are background means of texts that need not be measured:
    most texts that a reader draws are labels of its training.
    """
    drawing = Drawing(reader, vector)
    for _ in drawing.draw(how, seed):
        yield None
    for _ in drawing.score():
        yield None
    background = background_of(engine, reader)
    assert background is not None
    best = np.full(2, np.nan)
    for text in drawing.picked(how):
        ids = drawing.ids(text)
        for done in filled(background, [] if text in known else [ids], PART):
            if done is None:
                yield None
        mean = known[text] if text in known else float(np.mean(background.scores(ids, PART)))
        gap = drawing.scores[text] - mean
        if not gap <= best[0]:
            best = np.array([gap, drawing.scores[text]])
    yield best
