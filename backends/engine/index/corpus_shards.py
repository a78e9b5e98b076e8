"""Shards: the arrays of an index on disk, written whole or not at all, and mapped rather than read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from backends.engine.index.corpus_card import SHARD_CARD, ShardCard, shard_folder

Ints = NDArray[np.int64]
Halves = NDArray[np.float16]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """One context: a stretch of one document as the subject reads it."""

    document: str
    ordinal: int
    """Which document it is, over all files."""
    number: int
    """Which window of the document it is."""
    ids: tuple[int, ...]


def write_shard(
    folder: Path,
    number: int,
    windows: Sequence[Window],
    directions: dict[int, Halves],
    lengths: dict[int, Floats],
    card: ShardCard,
) -> None:
    """Write a shard beside its place, then move it there in one step.

    `directions` `[positions, d]` and `lengths` `[positions]` are by layer.
    """
    part = folder / "shards" / f".part-{number:05d}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    ids = np.concatenate([np.array(window.ids, dtype=np.uint32) for window in windows])
    _save(part / "tokens.npy", ids)
    _save(part / "contexts.npy", np.array([len(window.ids) for window in windows], dtype=np.uint32))
    for layer in directions:
        _save(part / f"L{layer}.npy", directions[layer])
        _save(part / f"L{layer}.lengths.npy", lengths[layer])
    _write(part / "documents.json", json.dumps([window.document for window in windows], ensure_ascii=False).encode())
    sizes = {file.name: file.stat().st_size for file in sorted(part.iterdir())}
    _write(part / SHARD_CARD, msgspec.json.encode(msgspec.structs.replace(card, sizes=sizes)))
    part.rename(shard_folder(folder, number))


def _save(file: Path, array: NDArray[Any]) -> None:
    with file.open("wb") as opened:
        np.save(opened, array)
        _settle(opened.fileno())


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        _settle(opened.fileno())


def _settle(descriptor: int) -> None:
    # The rename must not reach the disk before the bytes do.
    os.fsync(descriptor)


class Shard:
    """A whole shard, mapped."""

    def __init__(self, folder: Path, card: ShardCard) -> None:
        self.folder = folder
        self.card = card

    def _mapped(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(self.folder / name, mmap_mode="r")
        return found

    def directions(self, layer: int) -> Halves:
        """Return (h - centre) / |h - centre| at every position, `[positions, d]`."""
        return self._mapped(f"L{layer}.npy")

    def lengths(self, layer: int) -> Floats:
        """Return |h - centre| at every position."""
        return self._mapped(f"L{layer}.lengths.npy")

    @cached_property
    def tokens(self) -> NDArray[np.uint32]:
        """Token ids of all positions."""
        return self._mapped("tokens.npy")

    @cached_property
    def edges(self) -> Ints:
        """Where each context begins, and after the last where it ends."""
        found: Ints = np.concatenate([[0], np.cumsum(self._mapped("contexts.npy").astype(np.int64))])
        return found

    @cached_property
    def documents(self) -> list[str]:
        """Every context's document."""
        found: list[str] = json.loads((self.folder / "documents.json").read_bytes())
        return found
