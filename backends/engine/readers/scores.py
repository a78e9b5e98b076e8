"""From numbers to `Score` records: a number that failed becomes an error, never a default."""

from __future__ import annotations

import math
from collections.abc import Sequence

from investigator.records import Score

NOT_FINITE = "The score came out as NaN or infinite, so there is no number to show. Try dtype float32."


def failed(error: str, tokens: int = 0) -> Score:
    """Return a score without numbers."""
    return Score(tokens=tokens, error=error)


def plain(value: float, tokens: int) -> Score:
    """Return a score without background."""
    return Score(score=value, tokens=tokens) if math.isfinite(value) else failed(NOT_FINITE, tokens)


def against(value: float, tokens: int, background: Sequence[float]) -> Score:
    """Return a score with its gap and p over the same text's background scores, where all of these are numbers.

    gap = score - mean; p = (1 + #background >= score) / (1 + n).
    """
    if not math.isfinite(value) or not background or not all(map(math.isfinite, background)):
        return plain(value, tokens)
    n = len(background)
    above = sum(other >= value for other in background)
    gap = value - math.fsum(background) / n
    return Score(score=value, gap=gap, p=(1 + above) / (1 + n), tokens=tokens, background=n)


def against_mean(value: float, tokens: int, mean: float, n: int) -> Score:
    """Return a score with its gap, where only the background's mean is known."""
    if not math.isfinite(value) or not math.isfinite(mean):
        return plain(value, tokens)
    return Score(score=value, gap=value - mean, tokens=tokens, background=n)
