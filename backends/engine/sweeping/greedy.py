"""The likeliest words of a reader at many places, written in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine.likelihood import Ids, encode_texts, score_pairs, tokens_a_step
from backends.engine.likelihood.injected import picked
from backends.engine.likelihood.states import one_prefix
from backends.engine.readers import scores
from backends.engine.readers.reader import Reader
from backends.engine.sampling import draw
from backends.engine.shortage import fewer
from backends.engine.sweeping.columns import Steps
from backends.engine.sweeping.scored import against_background
from investigator.errors import ScoreError
from investigator.records import Score, SweepCell

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

SILENT = "The reader says nothing here: its likeliest text is empty."


def greedy(engine: WorkbenchEngine, reader: Reader, vectors: Tensor) -> Steps[list[SweepCell]]:
    """Return what a reader is likeliest to say at every vector `[n, d]`, token by token, with its exact score."""
    texts = yield from _written(reader, vectors)
    encoded = encode_texts(reader.speaker, texts, slots=reader.slots)
    good = [at for at, ids in enumerate(encoded) if not isinstance(ids, ScoreError)]
    ids: list[Ids] = [found for found in encoded if not isinstance(found, ScoreError)]
    values = yield from pair_values(reader, vectors, good, ids)
    told = iter((yield from against_background(engine, reader, ids, values)))
    return [
        SweepCell(_failed(text, found) if isinstance(found, ScoreError) else next(told), text)
        for text, found in zip(texts, encoded, strict=True)
    ]


def _failed(text: str, error: ScoreError) -> Score:
    return scores.failed(str(error) if text else SILENT)


def _written(reader: Reader, vectors: Tensor) -> Steps[list[str]]:
    longest = min(reader.spec.max_tokens, reader.speaker.context - reader.slots - 1)
    texts = [""] * len(vectors)
    rows, start = max(1, tokens_a_step(reader.speaker) // (reader.slots + longest)), 0
    while start < len(vectors):
        block = range(start, min(start + rows, len(vectors)))
        yield start, "writing"
        try:
            yield from _block(reader, vectors, block, longest, texts)
        except (MemoryError, RuntimeError) as error:
            rows = fewer(error, len(block))
            continue
        start = block.stop
        yield [SweepCell(text=text) for text in texts[:start]]
    return texts


def _block(reader: Reader, vectors: Tensor, block: range, longest: int, texts: list[str]) -> Steps[None]:
    prefix = one_prefix(reader.speaker, reader.start(vectors[block.start : block.stop]))
    yield None
    steps = draw(
        reader.speaker,
        prefix,
        samples=len(block),
        temperature=0.0,
        top_p=1.0,
        max_tokens=longest,
        seed=0,
        stops=reader.stops,
        ended=reader.ended,
    )
    for done in steps:
        for drawn in done:
            texts[block.start + drawn.row] = reader.text(drawn.ids)
        yield None


def pair_values(reader: Reader, vectors: Tensor, at: list[int], texts: list[Ids]) -> Steps[list[float]]:
    """Return the exact score of text i under vector `at[i]`, NaN where it failed."""
    values = torch.full((len(texts),), torch.nan, dtype=torch.float64)
    if texts:
        for done in score_pairs(reader.speaker, picked(reader.soft(vectors), at), texts):
            values[done.pairs] = done.scores
            yield None
    return [float(value) for value in values]
