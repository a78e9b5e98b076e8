"""A corpus as one reader sees it: which positions score highest, and the words around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.readers.reader import Reader

Ints = NDArray[np.int64]
EXCERPT = 40
"""Most tokens of an excerpt."""
_AFTER = 8


class View:
    """An index seen through a reader's mapper."""

    def __init__(self, index: CorpusIndex, reader: Reader) -> None:
        self.index, self.reader = index, reader

    @property
    def size(self) -> int:
        """Number of positions that are searched."""
        return self.index.size

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield all mapper inputs, block by block: first number, float32 `[n, d]`."""
        return self.index.inputs(self.reader.layer, self.reader.mapper)

    def rows(self, numbers: Ints) -> Tensor:
        """Return the mapper inputs of some positions, float32 `[n, d]`."""
        residuals = self.index.residuals(self.reader.layer, numbers)
        with torch.inference_mode():
            inputs: Tensor = self.reader.mapper.inputs(residuals.to(self.reader.subject.device))
        # A copy, because what comes out of inference mode cannot be differentiated by.
        return inputs.cpu().clone()


def first_of_each(contexts: Iterable[int], limit: int) -> list[int]:
    """Return where, in an order of hits, each context stands first, at most `limit` of them."""
    seen: set[int] = set()
    found: list[int] = []
    for at, context in enumerate(contexts):
        if context not in seen:
            seen.add(context)
            found.append(at)
        if len(found) == limit:
            break
    return found


def excerpt(length: int, position: int) -> range:
    """Return which of a context's tokens are shown around one: mostly those before it, which it was read from."""
    stop = min(length, position + 1 + _AFTER)
    start = max(0, stop - EXCERPT)
    return range(start, min(length, start + EXCERPT))
