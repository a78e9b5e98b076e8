"""Medians, intervals and percentiles of measured times, and figures made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median

from investigator.records import Figure


def median_interval(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the median."""
    pick = random.Random(seed)
    medians = sorted(median(pick.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(draws * 0.025)], medians[int(draws * 0.975)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -int(-share * len(ranked) // 1) - 1))]


def ratio_figures(name: str, pairs: Sequence[tuple[float, float]], target: str, against: str) -> list[Figure]:
    """Return the ratio of pairs of seconds (ours, theirs), and both absolute times beside it."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (median(times) for times in zip(*pairs, strict=True))
    return [
        Figure(f"{name}_ratio", median(ratios), "ratio", target, median_interval(ratios), against),
        Figure(f"{name}_seconds", ours, "s", compared_with="absolute, this machine"),
        Figure(f"{name}_yardstick_seconds", theirs, "s", compared_with=against),
    ]
