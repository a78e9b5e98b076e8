"""`investigator bench cursor`: moving the cursor while the model works, at the client and on the screen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from backends.launch import connect
from investigator.commands.benchmarks.load import LOADS, answer, keep_busy, loaded, opened
from investigator.commands.benchmarks.report import percentile
from investigator.commands.benchmarks.start import EMPTY, RANKING, app_command, fresh_home
from investigator.commands.benchmarks.terminal import Terminal
from investigator.commands.progress import Meter
from investigator.paths import HOME_VARIABLE
from investigator.records import Figure
from investigator.settings import Settings
from investigator.sources import Residual
from investigator.wire import ShowFeatures

MOVES = 120
SESSIONS = 5
LOST = 0.3
"""Seconds after which a press without a painted pane counts as this long, and the next key is pressed."""
RIGHT, LEFT, DOWN = "\x1b[C", "\x1b[D", "\x1b[B"
SCRIPT = (LEFT, LEFT, "[", "]", "g", RIGHT, "o", "o", DOWN, RIGHT, "h", "ports and harbours\r", "\x1b", LEFT, "2", DOWN)
"""Keys of a scripted session: tokens, layers, explain, orders, rows, a hypothesis, another pane."""


async def _served(kind: str, workbench: str, settings: Settings) -> list[float]:
    backend = await connect(workbench, settings)
    try:
        await backend.handshake(wait=True)
        subject, ids, layer = await opened(backend, "cursor")
        busy = asyncio.create_task(keep_busy(backend, kind, asyncio.Event()))
        await asyncio.sleep(1.0)
        waits = []
        for move in range(MOVES):
            begin = time.monotonic()
            await answer(backend, ShowFeatures(Residual(subject, ids, layer, 1 + move % (len(ids) - 1))), "cursor")
            waits.append(time.monotonic() - begin)
            await asyncio.sleep(0.05)
        if busy.done():
            busy.result()
        busy.cancel()
        return waits
    finally:
        await backend.aclose()


def served(kind: str, workbench: str, settings: Settings) -> Figure:
    """Return the p95 of cursor moves at the client under a load."""
    with fresh_home():
        waits = asyncio.run(_served(kind, workbench, settings))
    return _milliseconds(f"features_served_ms_{kind}", waits, "<= 20", f"absolute, at the client, while {kind} runs")


def painted(kind: str, workbench: str, settings: Settings) -> Figure:
    """Return the p95 from key press to painted pane, in the app on a terminal under a load."""
    with fresh_home() as environment:
        trace = Path(environment[HOME_VARIABLE]) / "trace.jsonl"
        command = app_command(workbench)
        with Terminal(command, {**environment, "INVESTIGATOR_TRACE": str(trace)}) as terminal:
            terminal.wait_for(RANKING)
            terminal.drain(3.0)
            with loaded(kind, workbench, settings):
                terminal.drain(1.0)
                presses = [_press(terminal, LEFT if move % 12 < 6 else RIGHT) for move in range(MOVES)]
        paints = [float(mark["at"]) for mark in _marks(trace) if mark["name"] == "features"]
    waits = [min((at - press for at in paints if at > press), default=LOST) for press in presses]
    against = f"absolute, while {kind} runs; a press with no painted pane within {LOST * 1000:.0f} ms counts as that"
    return _milliseconds(f"features_painted_ms_{kind}", [min(wait, LOST) for wait in waits], "<= 60", against)


def _press(terminal: Terminal, key: str) -> float:
    moment = terminal.send(key)
    terminal.drain(LOST)
    return moment


def _milliseconds(name: str, seconds: Sequence[float], target: str, against: str) -> Figure:
    return Figure(name, 1000 * percentile(seconds, 0.95), "ms, p95", target, compared_with=against)


def _marks(trace: Path) -> list[dict[str, float | str]]:
    return [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []


def _longest_block(command: list[str], ready: bytes, workbench: str, settings: Settings) -> float:
    """Return the longest lateness of the event loop's beat in a scripted session, in seconds."""
    with fresh_home() as environment:
        trace = Path(environment[HOME_VARIABLE]) / "trace.jsonl"
        with Terminal(command, {**environment, "INVESTIGATOR_TRACE": str(trace)}) as terminal:
            terminal.wait_for(ready)
            terminal.drain(3.0)
            # The app's own questions load its backend; the empty app asks none, so the same is asked beside it.
            with loaded("labels", workbench, settings) if command == EMPTY else nullcontext():
                begin = time.monotonic()
                for keys in SCRIPT:
                    terminal.send(keys)
                    terminal.drain(0.6)
        late = [mark for mark in _marks(trace) if mark["name"] == "late" and float(mark["at"]) > begin]
    return max((float(mark["seconds"]) for mark in late), default=0.0)


def blocks(workbench: str, settings: Settings, meter: Meter) -> list[Figure]:
    """Return the longest block of the app's event loop, and of an empty app's under the same load."""
    pairs = []
    for session in range(SESSIONS):
        meter.note(f"scripted session {session + 1} of {SESSIONS}")
        ours = _longest_block(app_command(workbench), RANKING, workbench, settings)
        pairs.append((ours, _longest_block(EMPTY, rb"an empty app", workbench, settings)))
    ours, theirs = (1000 * median(times) for times in zip(*pairs, strict=True))
    beside = "an empty app under the same load, the next figure"
    return [
        Figure("longest_frame_block_ms", ours, f"ms, median of {SESSIONS} sessions", "<= 50", compared_with=beside),
        Figure("longest_frame_block_empty_ms", theirs, f"ms, median of {SESSIONS} sessions", compared_with="itself"),
    ]


def measure(workbench: str, settings: Settings, meter: Meter) -> list[Figure]:
    """Measure all three figures of the cursor."""
    figures = []
    for kind in LOADS:
        meter.note(f"features served while {kind} runs")
        figures.append(served(kind, workbench, settings))
    for kind in LOADS:
        meter.note(f"features painted while {kind} runs")
        figures.append(painted(kind, workbench, settings))
    return [*figures, *blocks(workbench, settings, meter)]
