"""How long a part may take: on a slow machine fewer sources are measured, so that the whole command ends in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LEAST = 3
"""Rounds that are measured however long they take: a median of fewer says nothing."""
SECONDS = {"full": 240.0, "top": 180.0, "indexed": 120.0}
"""Seconds in which a part begins another round; with them the command ends within 20 minutes on two cores."""


def in_time(part: str, items: Iterable[T], measure: Callable[[T], R]) -> list[R]:
    """Measure item after item until the part's time is over; at least three."""
    start, found = time.monotonic(), list[R]()
    for item in items:
        if len(found) >= LEAST and time.monotonic() - start > SECONDS[part]:
            break
        found.append(measure(item))
    return found
