"""Sides that are timed in turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

import torch

from investigator.records import Figure

SLICE = 0.5
"""Seconds that a side runs before the next has its turn."""


@dataclass
class Side:
    """One of the things that are compared: steps to run, and how long they took."""

    steps: Iterator[object]
    seconds: float = 0.0
    ended: bool = False
    results: list[object] = field(default_factory=list)

    def turn(self, seconds: float) -> None:
        """Run steps until about so many seconds have passed."""
        start = time.perf_counter()
        while not self.ended and time.perf_counter() - start < seconds:
            found = next(self.steps, None)
            self.ended = found is None
            if found is not None:
                self.results.append(found)
        self.seconds += time.perf_counter() - start


def race(*sides: Side, seconds: float = SLICE, between: Callable[[], None] | None = None) -> None:
    """Run sides to their ends, in turns; call `between` after every fourth round."""
    for turn in count():
        for side in sides:
            side.turn(seconds)
        if between is not None and turn % 4 == 0:
            between()
        if all(side.ended for side in sides):
            return


class Product:
    """The speed of a 2,048-cubed float32 product, taken now and then during a run."""

    size = 2048

    def __init__(self, device: torch.device) -> None:
        """Make the matrices, and warm them up."""
        self.matrix = torch.ones(self.size, self.size, device=device)
        self.rates: list[float] = []
        self._once()

    def _once(self) -> float:
        start = time.perf_counter()
        product = self.matrix @ self.matrix
        float(product[0, 0])
        return time.perf_counter() - start

    def measure(self) -> None:
        """Take one product's operations a second."""
        self.rates.append(2 * self.size**3 / self._once())

    @property
    def rate(self) -> float:
        """Return the median of the rates."""
        return statistics.median(self.rates)


def spread(name: str, values: Iterable[float], unit: str, target: str = "", compared_with: str = "") -> Figure:
    """Return the median as a figure, the smallest and largest as its interval."""
    found = list(values)
    return Figure(name, statistics.median(found), unit, target, (min(found), max(found)), compared_with)
