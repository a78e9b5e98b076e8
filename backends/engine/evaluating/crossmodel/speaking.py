"""One reader on many vectors at once: a few texts for each, drawn in batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.reader import Reader
from backends.engine.sampling import draw

SAMPLES = 4
"""Texts a vector: their mean embedding gives the expected cosine of single texts, with a quarter of its variance."""
TEMPERATURE, TOP_P = 0.7, 0.9
"""As verbalizers are usually asked (Neuronpedia's client of natural language autoencoders)."""
_ROWS = 256
"""Texts drawn in one batch."""
_LONGEST = 48

Texts = list[tuple[str, ...]]


def speak(reader: Reader, vectors: Tensor, *, seed: int, samples: int = SAMPLES) -> Iterator[int | Texts]:
    """Yield how many vectors are read, then the texts of each of `[n, d]`."""
    found: Texts = []
    step = max(1, _ROWS // samples)
    for start in range(0, len(vectors), step):
        some = vectors[start : start + step]
        texts = _batch(reader, some.repeat_interleave(samples, dim=0), seed + start)
        found += [tuple(texts[at * samples : (at + 1) * samples]) for at in range(len(some))]
        yield len(found)
    yield found


def _batch(reader: Reader, rows: Tensor, seed: int) -> list[str]:
    with torch.inference_mode():
        prefix = one_prefix(reader.speaker, reader.start(rows))
    texts = [""] * len(rows)
    drawn = draw(
        reader.speaker,
        prefix,
        samples=len(rows),
        temperature=TEMPERATURE,
        top_p=TOP_P,
        max_tokens=min(reader.spec.max_tokens, _LONGEST),
        seed=seed,
        stops=reader.stops,
        ended=reader.ended,
    )
    for done in drawn:
        for one in done:
            texts[one.row] = reader.text(one.ids)
    return texts
