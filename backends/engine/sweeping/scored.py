"""One text at many places: what a cell is where a text is swept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from backends.engine.controls.phrasings import phrased
from backends.engine.controls.reading import Reading
from backends.engine.likelihood import Ids
from backends.engine.readers import scores
from backends.engine.readers.backgrounds import PART, Background, background_of, filled
from backends.engine.readers.reader import Reader
from backends.engine.sweeping.columns import Steps
from investigator.records import Score, SweepCell

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

MEASURING = "measuring the background"


def scored(engine: WorkbenchEngine, reader: Reader, text: str, vectors: Tensor) -> Steps[list[SweepCell]]:
    """Score a text as typed at every vector `[n, d]`, all at once, then at the background, which is measured once."""
    reading = Reading(engine, reader, phrased(reader, (text,), (), {}), vectors)
    yield 0, "scoring"
    for _ in reading.score():
        yield None
    for done in reading.compare():
        yield (len(vectors), f"{MEASURING} {done[0]}/{done[1]}") if done else None
    behind = reading.behind(0)
    return [SweepCell(reading.at_place(at, 0, behind)) for at in range(len(vectors))]


def _few(engine: WorkbenchEngine, reader: Reader) -> Background | None:
    """Return the first background positions as a panel of their own: the whole one is scored a step at a time."""
    whole = background_of(engine, reader)
    if whole is None:
        return None
    return engine.parts.once("few", reader.name, lambda: Background(reader, whole.vectors[:PART]))


def against_background(
    engine: WorkbenchEngine, reader: Reader, texts: Sequence[Ids], values: Sequence[float]
) -> Steps[list[Score]]:
    """Return the scores of one text a cell beside what each gets at the layer's first background positions."""
    background = _few(engine, reader)
    for done in filled(background, list(dict.fromkeys(texts)), PART):
        yield (len(texts), f"{MEASURING} {done[0]}/{done[1]}") if done else None
    behind = [background.scores(ids, PART) if background else () for ids in texts]
    return [scores.against(*one) for one in zip(values, (len(ids) + 1 for ids in texts), behind, strict=True)]
