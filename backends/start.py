"""Starting a local backend: imports next to nothing, so that a program can do it before anything else."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

from backends import rendezvous
from backends.command import ENGINE, arguments_for, environment, python_module
from backends.rendezvous import Place
from investigator import workbench as workbenches
from investigator.errors import BackendError, InvestigatorError
from investigator.settings import Settings

LOG_BYTES = 2**20
"""A log larger than this is begun anew by the next backend."""
spawned: dict[Path, int] = {}
"""Process ids of the backends that this process started, by socket."""
_codes: dict[Path, int] = {}
"""How the backends that this process started have ended last, by socket: a status, or a signal's number below 0."""


class Target(NamedTuple):
    """Which backend is meant: a workbench file, the settings that matter to it, and an engine."""

    place: Place
    command: list[str]


def target(workbench: str, settings: Settings, engine: str = ENGINE) -> Target:
    """Return the target for a workbench's name or path; raise WorkbenchError where there is none."""
    file = workbenches.locate(workbench)
    place = rendezvous.place_for(file, settings.backend.device, settings.backend.dtype)
    flags = [f"--socket={place.socket}", f"--log={place.log}", *arguments_for(str(file.resolve()), engine, settings)]
    return Target(place, python_module("backends.server", *flags))


def start_early(workbench: str, settings: Settings, *, engine: str = ENGINE) -> None:
    """Start the backend at once where none lives, and wait for nothing; what goes wrong is told by `connect`."""
    with contextlib.suppress(InvestigatorError, OSError):
        start(target(workbench, settings, engine))


def start(target: Target) -> bool:
    """Start the backend where none lives; return whether it was.

    Raises BackendError where the one started here before ended in a failure.
    """
    rendezvous.check_length(target.place.socket)
    rendezvous.private_folder(target.place.socket.parent)
    if rendezvous.alive(target.place) or running(target.place):
        return False
    log = target.place.log
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    begin = os.O_TRUNC if log.exists() and log.stat().st_size > LOG_BYTES else os.O_APPEND
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | begin, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = target.command
    spawned[target.place.socket] = os.posix_spawn(command[0], command, environment(), file_actions=streams)
    return True


def running(place: Place) -> bool:
    """Whether the process started here last still runs; raise BackendError where it ended with a failure."""
    process = spawned.get(place.socket)
    if process is None:
        return False
    with contextlib.suppress(ChildProcessError):
        ended, status = os.waitpid(process, os.WNOHANG)
        if not ended:
            return True
        del spawned[place.socket]
        code = _codes[place.socket] = os.waitstatus_to_exitcode(status)
        if code > 0:  # a killed one is only started again
            raise BackendError(
                f"The backend ended with status {code}. {_last_line(place.log)}", f"Its log: {place.log}"
            )
    return False


def fate(socket: Path) -> str:
    """Return in words how the backend that this process started at a socket ended; nothing where that is not known."""
    _codes.pop(socket, None)
    with contextlib.suppress(BackendError):
        if running(rendezvous.place_of(socket)):
            return ""
    code = _codes.get(socket, 0)
    if code == -signal.SIGKILL:
        return "killed with SIGKILL, as systems do when memory runs out"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}" if code else ""


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
    return ""
