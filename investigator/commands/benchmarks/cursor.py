"""`investigator bench cursor`: moving the cursor while the model works, at the client and on the screen."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from backends.launch import connect
from investigator.commands.benchmarks.load import LOADS, answer, keep_busy, loaded, opened
from investigator.commands.benchmarks.report import percentile
from investigator.commands.benchmarks.start import RANKING, app_command, fresh_home
from investigator.commands.benchmarks.terminal import Terminal
from investigator.paths import HOME_VARIABLE
from investigator.records import Figure
from investigator.settings import Settings
from investigator.sources import Residual
from investigator.wire import ShowFeatures

MOVES = 120
SESSIONS = 5
SCRIPT = (
    "\x1b[D",
    "\x1b[D",
    "[",
    "]",
    "g",
    "\x1b[C",
    "o",
    "o",
    "\x1b[B",
    "\x1b[C",
    "hports and harbours\r",
    "\x1b",
    "\x1b[D",
)
"""Keys of a scripted session: tokens, layers, explain, orders, rows, a hypothesis."""
RIGHT, LEFT = "\x1b[C", "\x1b[D"


async def _served(kind: str, settings: Settings) -> list[float]:
    backend = await connect("pocket", settings)
    try:
        await backend.handshake(wait=True)
        subject, ids, layer = await opened(backend, "cursor")
        stop = asyncio.Event()
        busy = asyncio.create_task(keep_busy(backend, kind, stop))
        await asyncio.sleep(0.5)
        waits = []
        for move in range(MOVES):
            begin = time.monotonic()
            await answer(backend, ShowFeatures(Residual(subject, ids, layer, 1 + move % (len(ids) - 1))), "cursor")
            waits.append(time.monotonic() - begin)
            await asyncio.sleep(0.05)
        busy.cancel()
        return waits
    finally:
        await backend.aclose()


def served_figures(settings: Settings) -> list[Figure]:
    """Return the p95 of cursor moves at the client, under each load."""
    with fresh_home() as environment:
        os.environ[HOME_VARIABLE] = environment[HOME_VARIABLE]
        return [
            Figure(
                f"features_served_ms_{kind}",
                1000 * percentile(asyncio.run(_served(kind, settings)), 0.95),
                "ms, p95",
                "<= 20",
                compared_with=f"absolute, while {kind} runs",
            )
            for kind in LOADS
        ]


def _marks(trace: Path) -> list[dict[str, float | str]]:
    return [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []


def _painted(kind: str, settings: Settings) -> list[float]:
    """Press arrow keys in the app on a terminal and return seconds from each press to its painted pane."""
    with fresh_home() as environment:
        os.environ[HOME_VARIABLE] = environment[HOME_VARIABLE]
        trace = Path(environment[HOME_VARIABLE]) / "trace.jsonl"
        with Terminal(app_command(), {**environment, "INVESTIGATOR_TRACE": str(trace)}) as terminal:
            terminal.wait_for(RANKING)
            terminal.drain(3.0)
            with loaded(kind, settings):
                terminal.drain(1.0)
                presses = []
                for move in range(MOVES // 2):
                    presses.append(terminal.send(LEFT if move % 6 < 3 else RIGHT))
                    terminal.drain(0.3)
        paints = [float(mark["at"]) for mark in _marks(trace) if mark["name"] == "features"]
    waits = [min((paint - press for paint in paints if paint > press), default=float("inf")) for press in presses]
    return [wait for wait in waits if wait < 0.3] + [0.3] * sum(wait >= 0.3 for wait in waits)


def painted_figures(settings: Settings) -> list[Figure]:
    """Return the p95 from key press to painted pane, under each load."""
    return [
        Figure(
            f"features_painted_ms_{kind}",
            1000 * percentile(_painted(kind, settings), 0.95),
            "ms, p95",
            "<= 60",
            compared_with=f"absolute, while {kind} runs; a press without a painted pane within 300 ms counts as 300",
        )
        for kind in LOADS
    ]


def _longest_block(command: list[str], ready: bytes, settings: Settings) -> float:
    """Return the longest lateness of the event loop's beat in a scripted session under load, in seconds."""
    with fresh_home() as environment:
        os.environ[HOME_VARIABLE] = environment[HOME_VARIABLE]
        trace = Path(environment[HOME_VARIABLE]) / "trace.jsonl"
        with Terminal(command, {**environment, "INVESTIGATOR_TRACE": str(trace)}) as terminal:
            terminal.wait_for(ready)
            terminal.drain(2.0)
            begin = time.monotonic()
            with loaded("labels", settings) if command[-1] == "screens.empty_app" else nullcontext():
                for keys in SCRIPT:
                    terminal.send(keys)
                    terminal.drain(0.6)
        late = [
            float(mark["seconds"]) for mark in _marks(trace) if mark["name"] == "late" and float(mark["at"]) > begin
        ]
    return max(late, default=0.0)


def block_figures(settings: Settings) -> list[Figure]:
    """Return the longest block of the app's event loop, and of an empty app's under the same load."""
    empty = [sys.executable, "-m", "screens.empty_app"]
    pairs = [
        (_longest_block(app_command(), RANKING, settings), _longest_block(empty, rb"an empty app", settings))
        for _ in range(SESSIONS)
    ]
    return [
        Figure(
            "longest_frame_block_ms", 1000 * median(ours for ours, _ in pairs), "ms", "<= 50", compared_with="below"
        ),
        Figure(
            "longest_frame_block_empty_ms", 1000 * median(theirs for _, theirs in pairs), "ms", "", None, "an empty app"
        ),
    ]


def run(settings: Settings) -> list[Figure]:
    """Measure all three figures of the cursor."""
    return [*served_figures(settings), *painted_figures(settings), *block_figures(settings)]
