"""Small numbers with exact definitions: robust z, order with ties broken, and checks that nothing is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from investigator.errors import ScoreError

IQR_OF_NORMAL = 1.349
"""Inter-quartile range of a standard normal, which turns an IQR into a standard deviation (L2EL, appendix A)."""
SMALLEST_SIGMA = 1e-6
Floats = NDArray[np.float32]


def robust_z(pre: Any, median: Any, iqr: Any) -> Any:
    """Return (pre - median) / max(IQR / 1.349, 1e-6), L2EL appendix A; numpy arrays or numbers."""
    return (pre - median) / np.maximum(iqr / IQR_OF_NORMAL, SMALLEST_SIGMA)


def best_first(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the order from largest to smallest; equal values keep their order, so that the same question is equal."""
    return np.argsort(-values, kind="stable")


def check_finite(values: NDArray[Any], what: str) -> None:
    """Raise ScoreError where a value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ScoreError(f"{what} holds NaN or infinity.", "Try dtype float32, or check the files it is made from.")
