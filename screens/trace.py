"""A trace of moments for the benchmarks: JSON lines in the file that `INVESTIGATOR_TRACE` names; else nothing."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

VARIABLE = "INVESTIGATOR_TRACE"
BEAT = 0.005
"""Seconds between two beats: blocks shorter than this are not seen, none longer is missed."""


def mark(name: str, **fields: str | int | float) -> None:
    """Append one moment (CLOCK_MONOTONIC seconds, the same clock in every process)."""
    path = os.environ.get(VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib import before the first frame
            file.write(json.dumps({"at": time.monotonic(), "name": name, **fields}) + "\n")


def mark_painted(widget: Widget, name: str, **fields: str | int | float) -> None:
    """Mark the moment at which the widget's present content has been painted."""
    if VARIABLE in os.environ:
        widget.call_after_refresh(mark, name, **fields)


def start_heartbeat(app: App[Any]) -> None:
    """Beat on the app's event loop and mark every beat that comes more than 5 ms late."""
    if VARIABLE in os.environ:
        app.run_worker(_beat(), exit_on_error=False, description="trace")


async def _beat() -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(BEAT)
        late = time.monotonic() - before - BEAT
        if late > BEAT:
            mark("late", seconds=late)
