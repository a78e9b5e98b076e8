"""Statistics measured once with a workbench: what is typical of each layer, and of each latent."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine import files, fingerprints
from backends.engine.numbers import Floats
from investigator.errors import WorkbenchError

_AGAIN = "Copy the file again, or measure it with `investigator train statistics`."


@dataclass(frozen=True)
class LayerStatistics:
    """Per-layer statistics of the residual stream, all float32."""

    mean: Tensor
    """`[layers, d]`."""
    covariance: Tensor
    """`[layers, d, d]`."""
    background: Tensor
    """`[layers, positions, d]`: one position a held-out document, special tokens and the first eight excluded."""
    fingerprint: str = ""

    @classmethod
    def read(cls, file: Path, *, layers: int, width: int) -> LayerStatistics:
        """Read `layers.safetensors`; raise WorkbenchError where it does not fit the subject."""
        found = files.tensors(file)
        missing = {"mean", "covariance", "background"} - set(found)
        if missing:
            raise WorkbenchError(f"{file} lacks {', '.join(sorted(missing))}.", _AGAIN)
        mean, covariance, background = (found[name].to(torch.float32) for name in ("mean", "covariance", "background"))
        statistics = cls(mean, covariance, background, fingerprints.of_file(file))
        if statistics.mean.shape != (layers, width):
            raise WorkbenchError(
                f"{file} holds {_shape(statistics.mean)} means, but the subject has {layers} layers of width {width}.",
                "Measure it on this subject with `investigator train statistics`.",
            )
        return statistics

    def norm(self, layer: int) -> float:
        """Return the mean L2 norm of the layer's background activations."""
        return float(self.background[layer].norm(dim=-1).mean())


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape)


class StoredContext(msgspec.Struct, frozen=True):
    """An excerpt as `contexts.jsonl.xz` stores it."""

    tokens: list[int]
    activations: list[float]
    peak: int
    document: str = ""


class ContextLine(msgspec.Struct, frozen=True):
    """One latent's excerpts."""

    latent: int
    contexts: list[StoredContext]


class LatentStatistics:
    """Per-latent statistics of an SAE; zeros, and `measured` False, where the workbench has none.

    Without them a robust z would be the raw pre-activation in disguise, so z is 0 then, and the doctor says so.
    """

    def __init__(self, latents: int, folder: Path | None = None) -> None:
        """Read `latents.safetensors` of the folder; raise WorkbenchError where it does not fit the SAE."""
        self.folder = folder
        self.measured = folder is not None
        found: dict[str, Any] = files.tensors(folder / "latents.safetensors") if folder else {}
        names = ("rate", "median", "iqr", "maximum")
        self.rate, self.median, self.iqr, self.maximum = (_column(found, name, latents, folder) for name in names)
        self.histogram_edges = _table(found, "histogram_edges")
        self.histogram_counts = _table(found, "histogram_counts")

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the numbers (not of the excerpts)."""
        return fingerprints.of_file(self.folder / "latents.safetensors") if self.folder else ""

    def contexts(self, latent: int) -> list[StoredContext]:
        """Return a latent's top excerpts, strongest first; empty where none are stored."""
        line = self._lines.get(latent)
        if line is None:
            return []
        try:
            return msgspec.json.decode(line, type=ContextLine).contexts
        except msgspec.DecodeError as error:
            raise WorkbenchError(
                f"The excerpts of latent {latent} in {self.folder} cannot be read: {error}.", _AGAIN
            ) from error

    @cached_property
    def _lines(self) -> dict[int, bytes]:
        """Undecoded lines by latent: decoding one is microseconds, decoding all would cost every start seconds."""
        if self.folder is None:
            return {}
        for name, opener in (("contexts.jsonl.xz", lzma.decompress), ("contexts.jsonl.gz", gzip.decompress)):
            file = self.folder / name
            if file.is_file():
                return _by_latent(file, opener)
        return {}


def _by_latent(file: Path, opener: Any) -> dict[int, bytes]:
    class Head(msgspec.Struct):
        latent: int

    decoder = msgspec.json.Decoder(Head)
    try:
        return {decoder.decode(line).latent: line for line in opener(file.read_bytes()).split(b"\n") if line.strip()}
    except (OSError, EOFError, lzma.LZMAError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"{file} cannot be read: {error}.", _AGAIN) from error


def _column(found: dict[str, Any], name: str, latents: int, folder: Path | None) -> Floats:
    if folder is None:
        return np.zeros(latents, np.float32)
    if name not in found or found[name].shape != (latents,):
        raise WorkbenchError(f"{folder / 'latents.safetensors'} has no {name!r} for {latents} latents.", _AGAIN)
    column: Floats = found[name].float().numpy()
    return column


def _table(found: dict[str, Any], name: str) -> NDArray[Any] | None:
    return found[name].numpy() if name in found else None
