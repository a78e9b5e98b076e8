"""Passages: windows of training documents, tokenised once, on which latents and layers are measured."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backends.engine.training.rows import encode
from backends.engine.training.splits import Document

_CHUNK = 500
# A window shorter than this says little about what came before a token.
_SHORTEST = 12


@dataclass(frozen=True)
class Passages:
    """Windows of text: `tokens` [rows, context] (`<|bos|>` first, `<|pad|>` after the end), and where they stand."""

    tokens: NDArray[np.uint16]
    lengths: NDArray[np.int32]
    """Tokens of each row, `<|bos|>` included."""
    documents: NDArray[np.int32]
    """Place of each row's document in the training split."""

    def mask(self, skip: int = 1) -> NDArray[np.bool_]:
        """Positions [rows, context] that hold text, without the first `skip` of each row."""
        places = np.arange(self.tokens.shape[1])[None]
        found: NDArray[np.bool_] = (places >= skip) & (places < self.lengths[:, None])
        return found

    def save(self, path: Path) -> None:
        """Write one npz file."""
        with path.open("wb") as file:
            np.savez(file, tokens=self.tokens, lengths=self.lengths, documents=self.documents)

    @classmethod
    def load(cls, path: Path) -> "Passages":
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["tokens"], stored["lengths"], stored["documents"])


def _windows(ids: list[int], size: int, most: int, draw: random.Random) -> Iterator[list[int]]:
    """The beginning of a document, then at most `most` - 1 later windows of a long one."""
    yield ids[:size]
    later = list(range(size, len(ids) - _SHORTEST, size))
    # One further window for every two thousand tokens: long books shall not drown short documents.
    for start in sorted(draw.sample(later, min(len(later), most - 1, len(ids) // 2000))):
        yield ids[start : start + size]


def cut_passages(
    documents: list[Document], tokenizer: PreTrainedTokenizerFast, *, context: int, tokens: int, most: int, seed: int
) -> Passages:
    """Windows of the documents, in a seeded order, until about `tokens` tokens are gathered."""
    order = list(range(len(documents)))
    draw = random.Random(f"{seed}/passages")
    draw.shuffle(order)
    rows: list[tuple[int, list[int]]] = []
    gathered = 0
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        for place, ids in zip(chunk, encode(tokenizer, [documents[place].text for place in chunk]), strict=True):
            kept = [window for window in _windows(ids, context - 1, most, draw) if len(window) >= _SHORTEST]
            rows += [(place, window) for window in kept]
            gathered += sum(map(len, kept))
        if gathered >= tokens:
            break
    return _pack(rows, context, tokenizer.bos_token_id, tokenizer.pad_token_id)


def _pack(rows: list[tuple[int, list[int]]], context: int, bos: int, pad: int) -> Passages:
    # Rows of one length stand together, so that batches waste little on padding.
    rows = sorted(rows, key=lambda row: len(row[1]))
    packed = np.full((len(rows), context), pad, dtype=np.uint16)
    packed[:, 0] = bos
    for row, (_, ids) in enumerate(rows):
        packed[row, 1 : len(ids) + 1] = ids
    lengths = np.array([len(ids) + 1 for _, ids in rows], dtype=np.int32)
    return Passages(packed, lengths, np.array([place for place, _ in rows], dtype=np.int32))
