"""Group near-duplicate documents by the smallest hashes of their word shingles.

Bottom-k sketches (Broder, "On the resemblance and containment of documents", 1997): two documents that share much
text share many of their smallest shingle hashes.
"""

import re
import zlib
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(rb"[a-z0-9]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# A hash that this many documents share is boilerplate (a licence line, a template) and says nothing about a pair.
_COMMON = 40


def sketch(text: str, shingle_words: int, size: int) -> NDArray[np.uint64]:
    """The `size` smallest distinct hashes of the text's word shingles (fewer when the text is short)."""
    words = _WORD.findall(text.lower().encode())
    hashes = np.fromiter(map(zlib.crc32, words), dtype=np.uint64, count=len(words))
    count = max(1, len(hashes) - shingle_words + 1)
    rolled = np.zeros(count, dtype=np.uint64)
    for offset in range(min(shingle_words, len(hashes))):
        rolled = (rolled ^ hashes[offset : offset + count]) * _MULTIPLIER
        rolled ^= rolled >> np.uint64(29)
    if count > 4 * size:
        rolled = np.partition(rolled, 4 * size - 1)[: 4 * size]
    return np.unique(rolled)[:size]


def group_near_duplicates(sketches: list[NDArray[np.uint64]], shared: int) -> NDArray[np.int64]:
    """Group number of each document; documents whose sketches share at least `shared` hashes stand together.

    Short documents, whose sketches are small, are joined when they share half of the smaller sketch.
    """
    parent = list(range(len(sketches)))
    for first, second, common in _shared_counts(sketches):
        if common >= min(shared, max(1, (min(len(sketches[first]), len(sketches[second])) + 1) // 2)):
            parent[_root(parent, first)] = _root(parent, second)
    return np.array([_root(parent, index) for index in range(len(sketches))], dtype=np.int64)


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _shared_counts(sketches: list[NDArray[np.uint64]]) -> Iterable[tuple[int, int, int]]:
    owners = np.repeat(np.arange(len(sketches)), [len(one) for one in sketches])
    values = np.concatenate(sketches) if sketches else np.empty(0, dtype=np.uint64)
    order = np.argsort(values, kind="stable")
    values, owners = values[order], owners[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]]) if len(values) else np.empty(0, dtype=np.int64)
    counts: dict[tuple[int, int], int] = {}
    for start, stop in zip(starts, np.r_[starts[1:], len(values)], strict=True):
        bucket = owners[start:stop].tolist()
        if 1 < len(bucket) <= _COMMON:
            for place, first in enumerate(bucket):
                for second in bucket[place + 1 :]:
                    counts[first, second] = counts.get((first, second), 0) + 1
        elif len(bucket) > _COMMON:
            # Exact copies of one short text would all be in one crowded bucket: chain them to their neighbours.
            for first, second in pairwise(bucket):
                counts[first, second] = counts.get((first, second), 0) + 1
    return ((first, second, common) for (first, second), common in counts.items())
