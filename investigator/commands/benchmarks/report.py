"""One shape for every command that prints figures: the machine, and figures beside what they are compared with."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from investigator.records import Figure


def machine() -> dict[str, str | int]:
    """Return what tells this machine from another: processor, cores, memory in GiB, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(memory),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    names = [line for line in file.read_text().splitlines() if line.startswith("model name")] if file.exists() else []
    return names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()


def as_object(figures: Sequence[Figure]) -> dict[str, Any]:
    """Return the object that every figure-printing command prints as JSON."""
    rows = [msgspec.to_builtins(figure) for figure in figures]
    for row in rows:
        row.pop("row")
    return {"machine": machine(), "figures": rows}


def median_interval(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the median."""
    pick = random.Random(seed)
    medians = sorted(median(pick.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(draws * 0.025)], medians[int(draws * 0.975)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -int(-share * len(ranked) // 1) - 1))]
