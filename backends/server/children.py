"""Long work: a child process appends numbered events to a file, and the child lane follows the file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from backends.command import environment, python_module
from backends.server import limits
from backends.server.encoding import log, name_of
from investigator.errors import InvestigatorError
from investigator.wire import Event, Verb

GRACE = 3.0
"""Seconds between asking a child to end and ending it."""
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Children:
    """Starts children with the same workbench, engine and settings as the backend."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self._arguments = arguments
        self._folder = folder

    def run(self, verb: Verb) -> Iterator[Event | None]:
        """Run a resolved verb in a child and yield its events; closing the generator ends the child."""
        self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._folder / f"{uuid.uuid4().hex}.ndjson"
        file.touch(0o600)
        process = self._start(verb, file)
        try:
            with file.open("rb") as events:
                yield from _follow(process, events)
            raise InvestigatorError(
                f"`{name_of(verb)}` stopped without a result (exit status {process.returncode}).", "The log says more."
            )
        finally:
            _end(process)
            file.unlink(missing_ok=True)

    def _start(self, verb: Verb, file: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            python_module("backends.server.child", "--events", str(file), *self._arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(verb) + b"\n")
        process.stdin.flush()  # left open: the child ends when it closes, so no child outlives the backend
        return process


def _follow(process: subprocess.Popen[bytes], events: IO[bytes]) -> Iterator[Event | None]:
    rest = b""
    while True:
        ended = process.poll() is not None
        *lines, rest = (rest + events.read()).split(b"\n")
        yield from map(_decoder.decode, lines)
        if ended:
            return
        yield None
        if not lines:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(limits.POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    log.info("child %d ended with %s", process.pid, process.returncode)
