"""All faults, one part after the other, and what is left behind afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from investigator.commands.faults import crowd, kills, lies, links, strings, writers
from investigator.commands.faults.ground import LINGER, Counts, Ground, Note, ground
from investigator.records import Figure
from investigator.settings import Settings

Measure = Callable[[Ground], Coroutine[Any, Any, list[Figure]]]


async def _cuts_and_kills(at: Ground) -> list[Figure]:
    """Both at once: a cut link mostly waits, and a killed backend mostly loads."""
    found = await asyncio.gather(links.cuts(at), kills.measure(at))
    return [figure for several in found for figure in several]


PARTS: dict[str, Measure] = {
    "overhead": links.overhead,
    "links_and_kills": _cuts_and_kills,
    "writers": writers.measure,
    "lies": lies.measure,
    "strings": strings.measure,
    "crowd": crowd.measure,
}
"""What makes faults and returns figures, by name."""
_GRACE = 10.0
"""Seconds beyond their linger in which the run's backends must have ended."""


def figures(workbench: str, settings: Settings, counts: Counts, seed: int, note: Note) -> Iterator[Figure]:
    """Make every fault and yield the figures as they come, the tally of what must be nought last."""
    with ground(workbench, settings, counts, seed, note) as at:
        for name, measure in PARTS.items():
            start = time.monotonic()
            yield from asyncio.run(measure(at))
            yield Figure(f"{name}_seconds", time.monotonic() - start, "s", compared_with=f"seed {seed}")
        at.note("waiting for the backends to leave")
        at.tally.orphans += _orphans(at)
        yield from at.tally.figures()


def _orphans(at: Ground) -> int:
    """Return how many processes of this run still live once they should have left."""
    give_up = time.monotonic() + LINGER + _GRACE
    while (left := _living(at)) and time.monotonic() < give_up:
        time.sleep(0.2)
    return left


def _living(at: Ground) -> int:
    found = subprocess.run(["pgrep", "-f", str(at.home)], capture_output=True, text=True, check=False)
    return len(found.stdout.split())
