"""All faults, one part after the other, and what is left behind afterwards."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import time
from collections.abc import Callable, Iterator
from types import ModuleType

from investigator.commands.faults import crowd, kills, lies, links, strings, writers
from investigator.commands.faults.ground import LINGER, Counts, Ground, Note, ground
from investigator.records import Figure
from investigator.settings import Settings

PARTS: tuple[ModuleType, ...] = (links, kills, writers, lies, strings, crowd)
"""Modules whose `measure` makes faults and returns figures."""
_GRACE = 10.0
"""Seconds beyond their linger in which the run's backends must have ended."""


def figures(workbench: str, settings: Settings, counts: Counts, seed: int, note: Note) -> Iterator[Figure]:
    """Make every fault and yield the figures as they come, the tally of what must be nought last."""
    with ground(workbench, settings, counts, seed, note) as at:
        for part in PARTS:
            start = time.monotonic()
            yield from _measured(part.measure, at)
            name = part.__name__.rpartition(".")[2]
            yield Figure(f"{name}_seconds", time.monotonic() - start, "s", compared_with=f"seed {seed}")
        at.note("waiting for the backends to leave")
        at.tally.orphans += _orphans(at)
        yield from at.tally.figures()


def _measured(measure: Callable[[Ground], object], at: Ground) -> list[Figure]:
    found = measure(at)
    made = asyncio.run(found) if inspect.iscoroutine(found) else found
    assert isinstance(made, list)
    return made


def _orphans(at: Ground) -> int:
    """Return how many processes of this run still live once they should have left."""
    give_up = time.monotonic() + LINGER + _GRACE
    while (left := _living(at)) and time.monotonic() < give_up:
        time.sleep(0.2)
    return left


def _living(at: Ground) -> int:
    found = subprocess.run(["pgrep", "-f", str(at.home)], capture_output=True, text=True, check=False)
    return len(found.stdout.split())
