"""One map, or all pairs of layers, from pooled activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from torch import Tensor

from backends.engine.crossmodel import fitting
from backends.engine.crossmodel.card import End, Kind, LinearMap, MapCard, Worth
from backends.engine.crossmodel.fitting import Floats, Split


class Pair(msgspec.Struct, frozen=True):
    """What a map between two layers is worth."""

    source: int
    target: int
    worth: Worth


@dataclass(frozen=True)
class Choice:
    """How a map is fitted."""

    kind: Kind = "ridge"
    penalty: float = fitting.PENALTY
    heldout: float = fitting.HELDOUT
    seed: int = 0


def floats(pooled: Tensor) -> Floats:
    """Return pooled activations of one layer as float64."""
    values: Floats = pooled.numpy().astype(np.float64)
    return values


def make(source: Tensor, target: Tensor, ends: tuple[End, End], how: Choice, digest: str) -> LinearMap:
    """Fit and measure one map on pooled activations `[sentences, width]` of both ends; the card has its sweep."""
    parts = fitting.split(floats(source), floats(target), heldout=how.heldout, seed=how.seed)
    found, shuffled, worth = _measured(parts, how)
    card = MapCard(
        kind=how.kind,
        source=ends[0],
        target=ends[1],
        penalty=how.penalty if how.kind == "ridge" else None,
        sentences=len(parts.source),
        heldout=len(parts.source_held),
        digest=digest,
        seed=how.seed,
        underdetermined=len(parts.source) <= ends[0].width,
        worth=worth,
        sweep=fitting.swept(parts) if how.kind == "ridge" else (),
    )
    return LinearMap(
        card,
        fitting.tensor(found.matrix),
        fitting.tensor(shuffled.matrix),
        fitting.tensor(found.source_mean),
        fitting.tensor(found.target_mean),
    )


def _measured(parts: Split, how: Choice) -> tuple[fitting.Fit, fitting.Fit, Worth]:
    found = fitting.fit(how.kind, parts.source, parts.target, how.penalty)
    shuffled = fitting.permuted(how.kind, parts, how.penalty, how.seed)
    return found, shuffled, fitting.worth(found, shuffled, parts)


def all_pairs(source: Tensor, target: Tensor, how: Choice) -> Iterator[Pair]:
    """Measure a map between every two layers of pooled activations `[sentences, layers, width]`."""
    for left in range(source.shape[1]):
        for right in range(target.shape[1]):
            ends = floats(source[:, left]), floats(target[:, right])
            parts = fitting.split(*ends, heldout=how.heldout, seed=how.seed)
            yield Pair(left, right, _measured(parts, how)[2])
