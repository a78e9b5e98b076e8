"""Bootstrap intervals that resample phrasings and background positions together (percentile method, 95 %)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backends.engine.controls.statistics import Floats

DRAWS = 1000
_TAILS = (0.025, 0.975)
Ints = NDArray[np.int64]


def _drawn(random: np.random.Generator, count: int) -> Ints:
    """Return `count` indices below `count`, drawn with replacement."""
    found: Ints = random.integers(0, count, count)
    return found


def _gap(values: Floats, background: Floats, ways: Ints, places: Ints) -> float:
    """Return the gap with only these phrasings and background positions, each as often as it was drawn."""
    return float(np.median(values[ways]) - np.median(background[np.ix_(ways, places)], axis=0).mean())


def gap_interval(values: Floats, background: Floats, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """Return the interval of a gap from scores `[phrasings]` here and `[phrasings, n]` over the background."""
    random = np.random.default_rng(seed)
    ways, places = background.shape
    found = [_gap(values, background, _drawn(random, ways), _drawn(random, places)) for _ in range(draws)]
    return _percentiles(found)


def difference_interval(
    left: tuple[Floats, Floats], right: tuple[Floats, Floats], seed: int, draws: int = DRAWS
) -> tuple[float, float]:
    """Return the interval of the difference of two gaps, paired: both see the same draws of background positions.

    Each side is its scores `[phrasings]` and its background `[phrasings, n]`. Phrasings are paired too where both have
    as many; otherwise each side draws its own.
    """
    random = np.random.default_rng(seed)
    places = left[1].shape[1]
    found = []
    for _ in range(draws):
        at, ways = _drawn(random, places), _drawn(random, len(left[0]))
        same = len(left[0]) == len(right[0])
        others = ways if same else _drawn(random, len(right[0]))
        found.append(_gap(*left, ways, at) - _gap(*right, others, at))
    return _percentiles(found)


def _percentiles(found: list[float]) -> tuple[float, float]:
    low, high = np.quantile(found, _TAILS)
    return float(low), float(high)
