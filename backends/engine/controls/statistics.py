"""The statistic behind a verdict: the median over phrasings, computed the same way here and on every control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def middle(table: Sequence[Sequence[float]] | Floats) -> Floats:
    """Return the median over phrasings of scores `[phrasings, places]`, `[places]`."""
    found: Floats = np.median(np.asarray(table, dtype=np.float64), axis=0)
    return found


@dataclass(frozen=True)
class Evidence:
    """A text's statistic at one place, at the background and at covariance-random vectors, in nats per token."""

    value: float
    background: Floats
    """[n]."""
    covariance: Floats
    """[m]; empty where it was not computed."""

    @property
    def mean(self) -> float:
        """Mean over the background."""
        return float(self.background.mean())

    @property
    def spread(self) -> float:
        """Standard deviation over the background."""
        return float(self.background.std())

    @property
    def gap(self) -> float:
        """Value minus the background's mean."""
        return self.value - self.mean

    @property
    def p(self) -> float:
        """(1 + #background >= value) / (1 + n)."""
        return share_above(self.value, self.background)

    @property
    def p_covariance(self) -> float:
        """The same over the covariance-random vectors."""
        return share_above(self.value, self.covariance)

    @property
    def finite(self) -> bool:
        """Whether all of these are numbers, and there is a background."""
        return bool(
            len(self.background)
            and np.isfinite(self.value)
            and np.isfinite(self.background).all()
            and np.isfinite(self.covariance).all()
        )


def share_above(value: float, others: Floats) -> float:
    """Return (1 + #others >= value) / (1 + n)."""
    return float((1 + (others >= value).sum()) / (1 + len(others)))


def standardised(values: Floats, mean: float, spread: float) -> Floats:
    """Return gaps in units of the spread over the background; 0 spread leaves the sign alone, infinitely far."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.nan_to_num((values - mean) / spread, nan=0.0)
    return found


class Family:
    """The texts of one question at one place, so that the best of them is not judged as if it had been alone.

    Westfall and Young's max-T: at every control the *best* standardised gap of all the texts stands against a text's
    own, so that texts which move together cost little. With one text these are its own p-values.
    """

    def __init__(self, backgrounds: Sequence[Floats], covariances: Sequence[Floats]) -> None:
        """Take every text's scores over the background `[n]` and at the covariance-random vectors `[m]`."""
        self.texts = len(backgrounds)
        gaps = [
            [standardised(values, float(background.mean()), float(background.std())) for values in (background, drawn)]
            for background, drawn in zip(backgrounds, covariances, strict=True)
        ]
        self._background, self._covariance = (np.max([pair[kind] for pair in gaps], axis=0) for kind in (0, 1))

    def corrected(self, own: Evidence) -> tuple[float, float]:
        """Return p over the background and over covariance-random vectors, corrected for the other texts."""
        if self.texts == 1:
            return own.p, own.p_covariance
        mark = float(standardised(np.array([own.value]), own.mean, own.spread)[0])
        return share_above(mark, self._background), share_above(mark, self._covariance)


def also_tried(p: float, alone: float, tried: int) -> float:
    """Return a p-value further corrected for `tried` earlier wordings of which only the number is known (Sidak)."""
    return float(1 - (1 - p) * (1 - alone) ** tried)
