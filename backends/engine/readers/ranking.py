"""Ranks with ties, and the Pareto frontier of activation against log p (L2EL, figure 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TIE = 1e-4
"""Values closer than this, in nats per token, are not told apart."""


def order_by(first: Floats, then: Floats, most: int | None = None) -> Ints:
    """Return indices from best to worst by `first`, equal ones by `then`; NaN of `first` is left out.

    With `most`, only so many of the best, which need no order of all others.
    """
    known = np.flatnonzero(~np.isnan(first))
    if most is not None and most < len(known):
        values = first[known]
        known = known[values >= np.partition(values, -most)[-most]]
    order: Ints = known[np.lexsort((known, -np.nan_to_num(then[known], nan=-np.inf), -first[known]))]
    return order[:most]


def ranks(ordered: Floats) -> Ints:
    """Return ranks of falling values, 1 first: a value within 1e-4 of the one before shares its rank."""
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[:-1] - ordered[1:] >= TIE
    places = np.arange(1, len(ordered) + 1)
    ranked: Ints = np.maximum.accumulate(np.where(fresh, places, 0))
    return ranked


def ties(ordered: Floats, top: int) -> int:
    """Return how many of the first `top` falling values lie within 1e-4 of a neighbour."""
    near = np.zeros(len(ordered) + 1, dtype=bool)
    near[1:-1] = ordered[:-1] - ordered[1:] < TIE
    return int((near[:-1] | near[1:])[:top].sum())


def pareto(x: Floats, y: Floats) -> list[int]:
    """Return the indices that nothing else beats on both axes, by falling x; of equal points the first stands."""
    order = np.lexsort((np.arange(len(x)), -y, -x))
    best, frontier = -np.inf, []
    for index in order:
        if y[index] > best:
            best = float(y[index])
            frontier.append(int(index))
    return frontier
