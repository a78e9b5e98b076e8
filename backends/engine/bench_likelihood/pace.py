"""How long a part may take: on a slow machine fewer sources are measured, so that the whole command ends in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LEAST = 3
"""Rounds that are measured however long they take, while the whole command has time left."""
LIMIT = 18 * 60.0
"""Seconds that the whole command aims to end in."""
SECONDS = {"full": 200.0, "indexed": 60.0, "top": 150.0, "corpus": 90.0}
"""Seconds in which a part begins another round."""
_AFTER = {"full": 800.0, "indexed": 550.0, "top": 380.0, "corpus": 90.0}
"""Seconds that two cores need, after a part's rounds, for what comes later at the least."""
_begun: list[float] = []


def begin() -> None:
    """Start the whole command's clock."""
    _begun[:] = [time.monotonic()]


def in_time(part: str, items: Iterable[T], measure: Callable[[T], R]) -> list[R]:
    """Measure item after item until the part's time, or what the whole has left for it, is over.

    At least three; but one alone where the whole's time is over, as after an index that had to be made.
    """
    start, found = time.monotonic(), list[R]()
    last = _begun[0] + LIMIT - _AFTER[part] if _begun else float("inf")
    end = min(start + SECONDS[part], last)
    least = LEAST if start < last else 1
    for item in items:
        if len(found) >= least and time.monotonic() > end:
            break
        found.append(measure(item))
    return found
