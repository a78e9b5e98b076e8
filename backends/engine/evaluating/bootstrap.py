"""Intervals by bootstrap over documents: the positions of one document are not independent."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_DRAWS = 1000
_LEVEL = 0.95


def interval_over_documents(
    values: Values,
    documents: NDArray[np.int32],
    statistic: Callable[[Values], float],
    *,
    seed: int,
    draws: int = _DRAWS,
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of `values` [places or places, columns], documents drawn anew."""
    order = np.argsort(documents, kind="stable")
    _, starts = np.unique(documents[order], return_index=True)
    groups = np.split(order, starts[1:])
    draw = np.random.default_rng(seed)
    found = [
        statistic(values[np.concatenate([groups[group] for group in draw.integers(0, len(groups), len(groups))])])
        for _ in range(draws)
    ]
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def mean(values: Values) -> float:
    """The mean of a column of values."""
    return float(values.mean())


def median(values: Values) -> float:
    """The median of a column of values."""
    return float(np.median(values))
