"""Scores of all labels under many sources, as one table."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from torch import Tensor

from backends.engine.evaluating.controls.arithmetic import Floats
from backends.engine.evaluating.controls.bench import ControlBench
from backends.engine.readers.prepared import score_prepared
from backends.engine.training.progress import Progress


def label_table(bench: ControlBench, vectors: Tensor, what: str) -> Generator[Progress, None, Floats]:
    """Return every label's score under each vector, [vectors, labels], yielding progress; NaN where one failed."""
    found = np.full((len(vectors), len(bench.prepared.texts)), np.nan)
    for row in range(len(vectors)):
        soft = bench.reader.soft(vectors[row, None])
        for done in score_prepared(bench.reader.subject, soft, bench.prepared):
            found[row, done.texts.numpy()] = done.scores[0].numpy()
        yield Progress(row + 1, len(vectors), what)
    return found
