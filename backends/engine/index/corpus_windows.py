"""Windows: documents cut into contexts that the subject reads, every token searched once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from backends.engine.index.corpus_reading import Document
from backends.engine.index.corpus_shards import Window
from backends.engine.subject import Subject

FIRST = 8
"""Positions at the start of every context that are never searched: nothing stands before them."""
WINDOW = 256
"""Longest context (L2EL, section 3: sequences of 256 tokens)."""


def windows(
    subject: Subject, documents: Iterable[Document], window: int, *, document: int = 0, number: int = 0
) -> Iterator[Window]:
    """Yield the windows of documents, from a document's window on.

    A document that fits is read as a prompt is; the windows of a longer one begin alike and overlap by the positions
    that are not searched.
    """
    for ordinal, found in enumerate(documents):
        if ordinal >= document:
            made = [Window(found.name, ordinal, at, ids) for at, ids in enumerate(_cut(subject, found.text, window))]
            yield from made[number if ordinal == document else 0 :]


def _cut(subject: Subject, text: str, window: int) -> list[tuple[int, ...]]:
    ids = tuple(subject.encode(text))
    if len(ids) <= window:
        return [ids] if ids else []
    opening = next((at for at, id in enumerate(ids) if id not in subject.special_ids), 0)
    body = ids[opening:]
    room = window - opening
    step = room - (FIRST - opening)
    return [ids[:opening] + body[start : start + room] for start in range(0, len(body) - (FIRST - opening), step)]


def searched(subject: Subject, tokens: NDArray[np.uint32], edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which positions of a shard a search looks at: no special token, none of a context's first ones."""
    place = np.arange(len(tokens)) - np.repeat(edges[:-1], np.diff(edges))
    found: NDArray[np.bool_] = (place >= FIRST) & ~np.isin(tokens, np.array(sorted(subject.special_ids), np.uint32))
    return found
