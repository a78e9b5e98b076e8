"""Sentence embedders: the bundled one of a workbench, and all-MiniLM-L6-v2 where its extra is installed.

A number that an embedder made always stands with the embedder's `name`: cosines of one are not those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backends.engine import files
from backends.engine.evaluating.controls import embedding as minilm
from investigator.errors import WorkbenchError

Vectors = NDArray[np.float32]
WEIGHTS, CARD, TOKENIZER = "model.safetensors", "embedder.json", "tokenizer.json"
MINILM = "all-MiniLM-L6-v2"
_TEXTS_AT_ONCE = 4096


class Embedder(Protocol):
    """Something that turns texts into unit vectors."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [texts, width]; a text without a known word is the zero vector."""
        ...


class StaticEmbedder:
    """A sentence-transformers `StaticEmbedding`: the mean of word-piece vectors, read without importing the library.

    The folder is one that `SentenceTransformer(folder)` loads too.
    """

    def __init__(self, folder: Path) -> None:
        """Read the weights; raise WorkbenchError where a file is missing or does not fit."""
        from tokenizers import Tokenizer

        self.name = str(files.read_json(folder / CARD).get("name") or folder.name)
        self._table: Vectors = files.tensors(folder / WEIGHTS)["embedding.weight"].float().numpy()
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # tokenizers raises a plain Exception for whatever is wrong
            raise WorkbenchError(
                f"{folder / TOKENIZER} cannot be read: {error}.", "Copy the file again, or train the embedder anew."
            ) from error
        self._tokenizer.no_padding()
        if self._tokenizer.get_vocab_size() > len(self._table):
            raise WorkbenchError(
                f"{folder} has {len(self._table)} vectors for {self._tokenizer.get_vocab_size()} tokens.",
                "Copy the whole folder again.",
            )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [texts, width]; a text without a known word is the zero vector."""
        found = np.zeros((len(texts), self._table.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = list(texts[start : start + _TEXTS_AT_ONCE])
            for row, encoding in enumerate(self._tokenizer.encode_batch(some, add_special_tokens=False), start=start):
                if encoding.ids:
                    found[row] = self._table[encoding.ids].mean(0)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, np.where(norms > 0, norms, 1.0), dtype=np.float32)


class MiniLM:
    """all-MiniLM-L6-v2 from the optional extra, its weights checked before they are used."""

    name = MINILM

    def __init__(self, device: str = "cpu") -> None:
        """Load it; raise WorkbenchError where it is not installed or not the published one."""
        self._model = minilm.Embedder(device)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [texts, 384]."""
        return self._model.embed(texts)


def bundled(folder: Path) -> Embedder:
    """The embedder that a workbench names; raises WorkbenchError where it cannot be read."""
    return StaticEmbedder(folder)


def reference(folder: Path | None, device: str = "cpu") -> Embedder:
    """MiniLM where it is installed, else the workbench's own; raises WorkbenchError where there is neither."""
    if minilm.installed():
        return MiniLM(device)
    if folder is None or not folder.exists():
        raise WorkbenchError(
            "No sentence embedder is there.", "Install investigator[minilm], or run `investigator train embedder`."
        )
    return bundled(folder)


def cosines(embedder: Embedder, left: Sequence[str], right: Sequence[str]) -> Vectors:
    """Cosine of every text on the left with every one on the right, [left, right]."""
    return embedder.embed(left) @ embedder.embed(right).T
