"""Random vectors of a layer, one seed each, so that the first few of them are the same whatever their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backends.engine.readers.reader import Reader
from backends.engine.vectors import covariance_root

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

SEED = 20_260
"""Seed of every control; recorded with the artefacts."""
COVARIANCE = 200
"""Vectors of the layer's mean and covariance behind a verdict: the 95th percentile leaves ten above it."""
NORM = 64
"""Vectors as far from the mean as the source; shown, never in the verdict."""
_KINDS = {"covariance": 1, "norm": 2}


def normals(kind: str, count: int, width: int) -> Tensor:
    """Return standard normal vectors `[count, width]`, float64, of one kind of control."""
    rows = [np.random.default_rng([SEED, _KINDS[kind], i]).standard_normal(width) for i in range(count)]
    return torch.from_numpy(np.stack(rows))


def layer_mean(engine: WorkbenchEngine, reader: Reader) -> Tensor:
    """Return the mean `[d]` of the layer that a reader reads."""
    mean: Tensor = engine.parts.layer_statistics(reader.subject.name).mean[reader.layer]
    return mean


def of_covariance(engine: WorkbenchEngine, reader: Reader, count: int = COVARIANCE) -> Tensor:
    """Return vectors `[count, d]` drawn from the layer's own mean and covariance, float32."""
    root = covariance_root(engine, reader.subject.name, reader.layer)
    return layer_mean(engine, reader) + (normals("covariance", count, len(root)) @ root.T).float()


def of_norm(engine: WorkbenchEngine, reader: Reader, distance: float, count: int = NORM) -> Tensor:
    """Return vectors `[count, d]` at a distance from the layer's mean, in every direction alike, float32."""
    mean = layer_mean(engine, reader)
    directions = torch.nn.functional.normalize(normals("norm", count, len(mean)), dim=-1)
    return mean + (distance * directions).float()


def distance_of(engine: WorkbenchEngine, reader: Reader, vector: Tensor) -> float:
    """Return how far a vector stands from the layer's mean; a usual distance where its direction alone is read."""
    mean = layer_mean(engine, reader)
    if reader.reads_length:
        return float((vector - mean).norm())
    background = engine.parts.layer_statistics(reader.subject.name).background[reader.layer]
    return float((background - mean).norm(dim=-1).mean())
