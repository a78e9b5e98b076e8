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


class GapBootstrap:
    """The draws of one text: which phrasings, and the mean of the background that was drawn with them.

    They serve the text at every place, where only its scores there differ.
    """

    def __init__(self, background: Floats, seed: int, draws: int = DRAWS) -> None:
        """Draw from the text's background scores `[phrasings, n]`."""
        random = np.random.default_rng(seed)
        count, places = background.shape
        self._ways, means = np.zeros((draws, count), dtype=np.int64), []
        for draw in range(draws):
            self._ways[draw] = _drawn(random, count)
            drawn = background[np.ix_(self._ways[draw], _drawn(random, places))]
            means.append(float((np.median(drawn, axis=0) if count > 1 else drawn[0]).mean()))
        self._means = np.array(means)

    def interval(self, values: Floats) -> tuple[float, float]:
        """Return the interval of the gap from the phrasings' scores at a place, `[phrasings]`."""
        return _percentiles(np.median(values[self._ways], axis=1) - self._means)


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
    return _percentiles(np.array(found))


def _percentiles(found: Floats) -> tuple[float, float]:
    low, high = np.quantile(found, _TAILS)
    return float(low), float(high)
