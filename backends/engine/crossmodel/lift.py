"""Agreement of explanations by embedding, and feature-specific lift (cross-model NLA, experiment).

Lift of an explanation: its cosine with its own native explanation, minus the mean of its cosines with all other ones'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 10_000
"""Of the pairing and of the bootstrap: the smallest p that shuffles can give is 1e-4."""


class Lift(NamedTuple):
    """The mean lift of a set of explanations."""

    mean: float
    interval: tuple[float, float]
    """95 %, the explanations drawn anew."""
    p: float
    """(1 + #shuffled pairings with at least this mean) / (1 + n), one-sided."""
    wilcoxon: float
    """Of the lifts against 0, one-sided; 1 where all are 0."""
    pairs: int


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> Floats:
    """Return cosines of unit vectors, `[left, right]`."""
    found: Floats = left.astype(np.float64) @ right.astype(np.float64).T
    return found


def agreement(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Return the mean cosine between two sets of unit vectors; with one text each it is the paper's cosine."""
    return float(cosines(left, right).mean())


def lifts(table: Floats) -> Floats:
    """Return each row's lift from the cosines of cross explanations with native ones, `[n, n]`, paired by index."""
    count = len(table)
    own = np.diag(table)
    lifted: Floats = own - (table.sum(1) - own) / (count - 1)
    return lifted


def measure(table: Floats, *, seed: int = 0, draws: int = DRAWS) -> Lift:
    """Return the mean lift of a table of cosines `[n, n]` with its interval and its p, by shuffles and by Wilcoxon."""
    values, random = lifts(table), np.random.default_rng(seed)
    picked = values[random.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(picked, [0.025, 0.975])
    return Lift(
        float(values.mean()), (float(low), float(high)), _shuffled(table, random, draws), _wilcoxon(values), len(values)
    )


def _shuffled(table: Floats, random: np.random.Generator, draws: int) -> float:
    """Return p of the mean lift over shuffled pairings; row sums are the same in all, so own cosines decide."""
    count = len(table)
    rows = np.arange(count)
    found = np.trace(table)
    higher = sum(float(table[rows, random.permutation(count)].sum()) >= found - 1e-12 for _ in range(draws))
    return float((1 + higher) / (1 + draws))


def _wilcoxon(values: Floats) -> float:
    from scipy.stats import wilcoxon

    if not np.any(values):
        return 1.0
    return float(wilcoxon(values, alternative="greater").pvalue)


def rank_p(own: float, others: Sequence[float]) -> float:
    """Return (1 + #others at least as high) / (1 + n)."""
    return (1 + sum(other >= own for other in others)) / (1 + len(others))
