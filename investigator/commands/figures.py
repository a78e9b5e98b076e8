"""Figures: the one shape in which every command that measures prints them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from investigator.commands.printing import print_json, print_tables
from investigator.records import Figure, Worked
from investigator.tables import rows_table
from investigator.text import inert


def machine() -> str:
    """Return the machine in words: system, processor, cores, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {_processor()}, {cores} cores, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown processor"


def print_figures(figures: Sequence[Figure], *, json: bool, where: str = "") -> None:
    """Print figures as `{"machine": ..., "figures": [...]}`, or as a table; `where` is another machine than this."""
    if json:
        print_json({"machine": where or machine(), "figures": list(figures)})
        return
    print(inert(where or machine()))
    print_tables(rows_table(tuple(figures)))


def print_worked(worked: Worked, *, json: bool, where: str = "") -> None:
    """Print the end of a long command: its figures, and what it has to say."""
    print_figures(worked.rows, json=json, where=where)
    if worked.message:
        print(inert(worked.message), file=sys.stderr if json else sys.stdout)
