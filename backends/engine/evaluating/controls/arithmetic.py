"""The figures' arithmetic: AUROC, a distance to uniform, p-values with ties drawn by lot, shares with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backends.engine.evaluating.bootstrap import interval_over_documents, mean
from investigator.errors import finite

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def auroc(values: Floats, positive: Flags) -> float:
    """Return the share of pairs (positive, negative) in which the positive one is larger, ties counting half.

    That is Mann and Whitney's U over the number of pairs; NaN where one of the two kinds is missing.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float("nan")
    ranks = stats.rankdata(values)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def p_by_lot(value: float, background: Floats, lot: float) -> float:
    """Return a p-value that is exactly uniform where `value` is one more draw of the background.

    (#above + lot * (1 + #equal)) / (1 + n), `lot` uniform in [0, 1): the text's own place among equal scores is drawn
    by lot. The engine's p = (1 + #above + #equal) / (1 + n) is its largest value.
    """
    above, equal = int((background > value).sum()), int((background == value).sum())
    return (above + lot * (1 + equal)) / (1 + len(background))


def distance_to_uniform(values: Floats) -> float:
    """Return Kolmogorov and Smirnov's distance of values to the uniform distribution on [0, 1]."""
    return float(stats.kstest(values, "uniform").statistic)


def band(distance: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a distance to uniform of `count` values, by Dvoretzky, Kiefer and Wolfowitz.

    The values' own distribution lies within sqrt(log(2 / 0.05) / 2n) of what was seen, so its distance does too. (A
    bootstrap of a distance is of no use: resampling adds to it.)
    """
    reach = float(np.sqrt(np.log(2 / 0.05) / (2 * count)))
    return max(0.0, distance - reach), min(1.0, distance + reach)


def share(flags: Sequence[bool] | Floats, groups: Ints, seed: int) -> tuple[float, tuple[float, float]]:
    """Return a mean and its 95 % interval over groups (documents, vectors, labels) drawn anew."""
    values = np.asarray(flags, dtype=np.float64)
    value = finite(mean(values), "The mean")
    return value, interval_over_documents(values, groups.astype(np.int32), mean, seed=seed)
