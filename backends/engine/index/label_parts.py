"""The gradients of an index: files of a few thousand texts, each written in one step and memory-mapped when read."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from backends.engine import files
from backends.engine.training.folders import write_atomically
from investigator.errors import WorkbenchError

SIZE = 2048
"""Texts of a part: what a kill loses is one part's work."""
_NAME = "gradients"
# A half-precision product that takes this many times a float32 one is emulated: gradients are then read as float32.
_EMULATED = 3.0


def count(texts: int) -> int:
    """Return the number of parts."""
    return -(-texts // SIZE)


def file_of(folder: Path, part: int) -> Path:
    """Return a part's file."""
    return folder / f"{_NAME}-{part:05d}.safetensors"


def save(file: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors so that a kill, or a power cut, leaves the whole file or none."""

    def write(temporary: Path) -> None:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())

    write_atomically(file, write)


def whole(folder: Path, part: int, *, shape: tuple[int, int, int]) -> bool:
    """Return whether a part is there, not cut short and of this shape `(anchors, texts, d)`."""
    file = file_of(folder, part)
    try:
        return file.is_file() and tuple(files.header(file)[_NAME]["shape"]) == shape
    except (WorkbenchError, KeyError):
        return False


def write(folder: Path, part: int, gradients: Tensor) -> None:
    """Write a part's gradients `[anchors, texts, d]` in half precision."""
    save(file_of(folder, part), {_NAME: gradients.half()})


def read(folder: Path, part: int, *, shape: tuple[int, int, int]) -> Tensor:
    """Memory-map a part; raise WorkbenchError where it is missing, cut short or of another shape."""
    file = file_of(folder, part)
    table = files.header(file)
    if tuple(table.get(_NAME, {}).get("shape", ())) != shape:
        raise WorkbenchError(
            f"{file} holds other gradients than its card says.", "Remove the folder and make it again."
        )
    with file.open("rb") as opened:
        start = 8 + int.from_bytes(opened.read(8), "little") + table[_NAME]["data_offsets"][0]
    # Copy on write: torch warns of arrays that cannot be written, and nothing here writes.
    mapped = np.memmap(file, dtype=np.float16, mode="c", offset=start, shape=shape)
    return torch.from_numpy(mapped)


def tangents(parts: list[Tensor], steps: Tensor) -> Tensor:
    """Return `[anchors, texts]`: every gradient times its anchor's step `[anchors, d]`, float32."""
    moves = steps.half() if half_is_native() else steps.float()
    found = [[_product(part[anchor], move) for part in parts] for anchor, move in enumerate(moves)]
    return torch.stack([torch.cat(row) for row in found])


def _product(gradients: Tensor, move: Tensor) -> Tensor:
    return torch.mv(gradients.to(move.dtype), move).float()


@lru_cache(maxsize=1)
def half_is_native() -> bool:
    """Measure, once a process, whether this processor multiplies half-precision matrices without emulation."""
    matrix = torch.ones(4096, 256)

    def seconds(dtype: torch.dtype) -> float:
        rows, vector = matrix.to(dtype), torch.ones(256, dtype=dtype)
        torch.mv(rows, vector)
        begun = perf_counter()
        torch.mv(rows, vector)
        return perf_counter() - begun

    return min(seconds(torch.float16) for _ in range(3)) < _EMULATED * min(seconds(torch.float32) for _ in range(3))
