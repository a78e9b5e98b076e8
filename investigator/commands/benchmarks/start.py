"""`investigator bench start`: from the command typed to the first frame, and to the first SAE ranking."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from investigator import workbench
from investigator.commands.benchmarks.report import median_interval
from investigator.commands.benchmarks.terminal import Terminal
from investigator.errors import BackendError
from investigator.paths import HOME_VARIABLE
from investigator.records import Figure

FIRST_FRAME = rb"hypothesis"
"""Text of the bench's first frame."""
RANKING = rb"\d+ active"
"""Text that the feature pane shows once its rows stand."""


@contextmanager
def fresh_home() -> Iterator[dict[str, str]]:
    """Give an environment with no settings, no session and no backend, and stop what was started in it."""
    with tempfile.TemporaryDirectory(prefix="inv-") as home:
        environment = {**os.environ, HOME_VARIABLE: home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        try:
            yield environment
        finally:
            stop_backends(Path(home))


def stop_backends(home: Path) -> None:
    """Stop every backend whose command line names a socket under this home, and wait until it is gone."""
    subprocess.run(["pkill", "-9", "-f", f"backends.server.*{home}"], check=False)
    time.sleep(0.3)


def app_command() -> list[str]:
    """Return the command that a person's `investigator` stands for."""
    return [sys.executable, "-m", "investigator"]


def seconds_to_show(command: list[str], environment: dict[str, str], pattern: bytes) -> float:
    """Run a program on a terminal until its screen shows the pattern."""
    with Terminal(command, environment) as terminal:
        return terminal.wait_for(pattern)


def seconds_of_bare_script(prompt: str, layer: int) -> float:
    """Run the yardstick script to its end."""
    folder = workbench.locate("pocket").parent
    command = [sys.executable, "-m", "backends.engine.bare_script", str(folder), prompt, str(layer)]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"The bare script failed: {done.stderr[-300:]}", "Check that pocket is complete: doctor.")
    return time.monotonic() - begin


def first_frame() -> float:
    """Return seconds from command to the bench's first frame, with no backend running."""
    with fresh_home() as environment:
        return seconds_to_show(app_command(), environment, FIRST_FRAME)


def empty_frame() -> float:
    """Return seconds from command to an empty app's first frame."""
    with fresh_home() as environment:
        return seconds_to_show([sys.executable, "-m", "screens.empty_app"], environment, rb"an empty app")


def first_ranking() -> float:
    """Return seconds from command to the example's SAE ranking on screen, with no backend running."""
    with fresh_home() as environment:
        return seconds_to_show(app_command(), environment, RANKING)


def alternate(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> list[tuple[float, float]]:
    """Run both in turn, once to warm the disk cache and then `runs` counted times."""
    pairs = [(ours(), theirs()) for _ in range(runs + 1)]
    return pairs[1:]


def ratio_figures(name: str, unit: str, pairs: list[tuple[float, float]], wanted: str, against: str) -> list[Figure]:
    """Return the ratio, pair by pair, and both absolute times beside it."""
    ratios = [ours / theirs for ours, theirs in pairs]
    return [
        Figure(f"{name}_ratio", median(ratios), "ratio", wanted, median_interval(ratios), against),
        Figure(f"{name}_seconds", median(ours for ours, _ in pairs), unit, compared_with="absolute, this machine"),
        Figure(f"{name}_yardstick_seconds", median(theirs for _, theirs in pairs), unit, compared_with=against),
    ]


def run(runs: int = 5) -> list[Figure]:
    """Measure both start figures."""
    bench = workbench.load(workbench.locate("pocket"))
    layer = next(iter(bench.saes.values())).layer
    paints = alternate(first_frame, empty_frame, runs)
    rankings = alternate(first_ranking, lambda: seconds_of_bare_script(bench.example, layer), runs)
    return [
        *ratio_figures("first_paint", "s", paints, "<= 1.6", "an empty Textual app"),
        *ratio_figures(
            "first_ranking", "s", rankings, "<= 1.3", "a bare script: torch, transformers, one forward, top k"
        ),
    ]
