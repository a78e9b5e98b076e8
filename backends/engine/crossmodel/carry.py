"""Mapped sources: a vector of one model carried into another one, with the background mixed in where asked.

What is carried is what a source holds beyond its layer's mean, through the linear part of the map alone; what a reader
of the other model reads is that layer's mean plus the result. A latent's direction goes at the latent's median
activation where it fires, which decides for readers that are not indifferent to length.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from torch import Tensor

from backends.engine.crossmodel import maps
from backends.engine.crossmodel.washout import unit, washed
from investigator.errors import BadInput, WorkbenchError
from investigator.sources import Decoder, Mapped, Source

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def resolve(engine: WorkbenchEngine, source: Mapped) -> Mapped:
    """Return a mapped source with its inner one and its map filled in; raise BadInput where they do not meet."""
    from backends.engine import vectors

    inner = vectors.resolve(engine, source.source)
    name = maps.map_name(engine, source.map, *vectors.place(inner, engine))
    check_weight(source.wash)
    if source.wash and maps.open_map(engine, name).background is None:
        raise BadInput(f"The map {name} holds no background.", "Fit it anew, or ask without washout.")
    maps.open_map(engine, name)
    return msgspec.structs.replace(source, source=inner, map=name)


def check_weight(weight: float) -> None:
    """Raise BadInput where a washout weight is not one."""
    if not (math.isfinite(weight) and 0 <= weight <= 1):
        raise BadInput(f"The washout weight cannot be {weight}.", "Choose from 0 to 1.")


def place(engine: WorkbenchEngine, source: Mapped) -> tuple[str, int]:
    """Return the subject and layer that a resolved mapped source is read at: the map's target."""
    end = maps.card_of(engine.parts, source.map).target
    return maps.end_name(engine.parts, end), end.layer


def carried(engine: WorkbenchEngine, source: Mapped) -> Tensor:
    """Return what a resolved mapped source holds beyond the target layer's mean, float32 `[target width]`."""
    found = maps.open_map(engine, source.map)
    matrix = found.permuted if source.map.endswith(maps.PERMUTED) else found.matrix
    arrived = beyond(engine, source.source, found.source_mean) @ matrix.T
    if not source.wash:
        return arrived
    if found.background is None:
        raise WorkbenchError(f"The map {source.map} holds no background.", "Fit it anew with `investigator train map`.")
    return washed(arrived, found.background, source.wash)


def vector(engine: WorkbenchEngine, source: Mapped) -> Tensor:
    """Return a resolved mapped source's vector in the target model: its layer's mean plus what was carried.

    A bare one is the carried direction alone, at the mean length of the layer's activations.
    """
    found, arrived = maps.open_map(engine, source.map), carried(engine, source)
    mean = mean_of(engine, *place(engine, source), found.target_mean)
    return unit(arrived) * _length(engine, source, mean) if source.bare else mean + arrived


def _length(engine: WorkbenchEngine, source: Mapped, mean: Tensor) -> float:
    subject, layer = place(engine, source)
    if not engine.workbench.subjects[subject].statistics:
        return float(mean.norm())
    return engine.parts.layer_statistics(subject).norm(layer)


def beyond(engine: WorkbenchEngine, source: Source, mean: Tensor) -> Tensor:
    """Return what a resolved source holds beyond its layer's mean (`mean` where the workbench has no statistics)."""
    from backends.engine import vectors

    match source:
        case Decoder():
            return direction(engine, source)
        case Mapped():
            return carried(engine, source)
    away: Tensor = engine.vector(source) - mean_of(engine, *vectors.place(source, engine), mean)
    return away


def mean_of(engine: WorkbenchEngine, subject: str, layer: int, otherwise: Tensor) -> Tensor:
    """Return a layer's mean activation, or what stands in where the workbench has no statistics of the subject."""
    if not engine.workbench.subjects[subject].statistics:
        return otherwise
    mean: Tensor = engine.parts.layer_statistics(subject).mean[layer]
    return mean


def direction(engine: WorkbenchEngine, source: Decoder) -> Tensor:
    """Return a latent's decoder row at its median activation where it fires; the row itself without statistics."""
    row: Tensor = engine.parts.sae(source.sae).decoder[source.latent].float().cpu()
    return row * (_median(engine, source) or 1.0)


def _median(engine: WorkbenchEngine, source: Decoder) -> float:
    known = engine.parts.latent_statistics(source.sae)
    if known.histogram_edges is None or known.histogram_counts is None:
        return float(known.maximum[source.latent]) / 2
    counts, edges = known.histogram_counts[source.latent].astype(np.float64), known.histogram_edges[source.latent]
    if not counts.sum():
        return 0.0
    middle = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    return float(edges[middle] + edges[middle + 1]) / 2
