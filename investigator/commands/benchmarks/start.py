"""`investigator bench start`: from the command typed to the first frame, and to the first SAE ranking."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backends import rendezvous
from investigator import paths, workbench
from investigator.commands.benchmarks.report import ratio_figures
from investigator.commands.benchmarks.terminal import Terminal
from investigator.commands.progress import Meter
from investigator.errors import BackendError
from investigator.records import Figure
from investigator.settings import Settings

FIRST_FRAME = rb"hypothesis"
"""Text of the bench's first frame."""
RANKING = rb"\d+ active"
"""Text that the feature pane shows once its rows stand."""
RUNS = 5
BARE = "a bare script: import torch and transformers, load, one forward, one SAE encode, top k"
EMPTY = [sys.executable, "-m", "screens.empty_app"]


@contextmanager
def fresh_home() -> Iterator[dict[str, str]]:
    """Make a home with no settings, no session and no backend the process's own, and stop what was started in it."""
    before = os.environ.get(paths.HOME_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="inv-", ignore_cleanup_errors=True) as home:
        os.environ[paths.HOME_VARIABLE] = home
        try:
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            environment.pop("NO_COLOR", None)
            yield environment
        finally:
            stop_backends(paths.socket_folder())
            os.environ.pop(paths.HOME_VARIABLE)
            if before is not None:
                os.environ[paths.HOME_VARIABLE] = before


def stop_backends(folder: Path) -> None:
    """Kill every backend that has a socket in the folder, and wait until it is gone."""
    for socket in folder.glob("*.sock"):
        badge = rendezvous.read_badge(rendezvous.place_of(socket))
        if badge is not None:
            kill(badge.pid)


def kill(pid: int) -> None:
    """Kill a process and wait until it is gone, whether or not it is a child of this one."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        # A child of this process stays as a zombie until it is waited for; another one is waited for by looking.
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            while True:
                os.kill(pid, 0)
                time.sleep(0.02)


def app_command(name: str) -> list[str]:
    """Return the command that a person's `investigator` stands for."""
    return [sys.executable, "-m", "investigator", "--workbench", name]


def seconds_to_show(command: list[str], pattern: bytes) -> float:
    """Run a program on a terminal in a home of its own until its screen shows the pattern."""
    with fresh_home() as environment, Terminal(command, environment) as terminal:
        return terminal.wait_for(pattern)


def seconds_of_bare_script(file: Path) -> float:
    """Run the yardstick script on the workbench's first subject and SAE, to its end."""
    bench = workbench.load(file)
    layer = str(next(iter(bench.saes.values())).layer)
    begin = time.monotonic()
    command = [sys.executable, "-m", "backends.engine.bare_script", str(file.parent), bench.example, layer]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"The bare script failed: {done.stderr[-300:]}", "`investigator doctor` checks the parts.")
    return time.monotonic() - begin


def alternate(
    ours: Callable[[], float], theirs: Callable[[], float], meter: Meter, what: str
) -> list[tuple[float, float]]:
    """Run both in turn, once to warm the disk cache and then the counted times."""
    pairs = []
    for run in range(RUNS + 1):
        meter.note(f"{what}: run {run} of {RUNS}")
        pairs.append((ours(), theirs()))
    return pairs[1:]


def measure(workbench_name: str, settings: Settings, meter: Meter) -> list[Figure]:
    """Measure both start figures."""
    file, command = workbench.locate(workbench_name), app_command(workbench_name)
    paints = alternate(
        lambda: seconds_to_show(command, FIRST_FRAME),
        lambda: seconds_to_show(EMPTY, rb"an empty app"), meter, "first paint",
    )  # fmt: skip
    rankings = alternate(
        lambda: seconds_to_show(command, RANKING), lambda: seconds_of_bare_script(file), meter, "first ranking"
    )
    return [
        *ratio_figures("first_paint", paints, "<= 1.6", "an empty Textual app"),
        *ratio_figures("first_ranking", rankings, "<= 1.3", BARE),
    ]
