"""A program in a pseudo-terminal: what a person would type and see, with the times of both."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from investigator.errors import BackendError

ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[P\]^_].*?(\x07|\x1b\\)|[@-Z\\-_])", re.DOTALL)
LONGEST_WAIT = 120.0
"""Seconds after which a program that does not show what is waited for is taken for broken."""


class Terminal:
    """A child process on a pseudo-terminal of `columns` x `rows`, started on entry and killed on exit."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 140, rows: int = 45
    ) -> None:
        self.command, self.environment = list(command), dict(environment)
        self.size = struct.pack("HHHH", rows, columns, 0, 0)
        self.seen = b""
        self.started = 0.0

    def __enter__(self) -> Terminal:
        self.started = time.monotonic()
        self.descriptor, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, self.size)
        self.child = subprocess.Popen(
            self.command, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.kill()
        self.child.wait()
        os.close(self.descriptor)

    def send(self, keys: str) -> float:
        """Type the keys and return the monotonic time just before."""
        moment = time.monotonic()
        os.write(self.descriptor, keys.encode())
        return moment

    def drain(self, seconds: float) -> None:
        """Read what the program writes for a while, so that it never waits for a full pipe."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def wait_for(self, pattern: bytes) -> float:
        """Read until the text without escapes matches; return seconds since the start, or raise BackendError."""
        wanted = re.compile(pattern)
        while time.monotonic() - self.started < LONGEST_WAIT:
            if wanted.search(ESCAPES.sub(b"", self.seen)):
                return time.monotonic() - self.started
            self._read(1.0)
        raise BackendError(
            f"{' '.join(self.command)} did not show {pattern!r} within {LONGEST_WAIT:.0f} s.", "Run it by hand."
        )

    def _read(self, timeout: float) -> None:
        ready, _, _ = select.select([self.descriptor], [], [], timeout)
        if ready:
            try:
                self.seen += os.read(self.descriptor, 1 << 16)
            except OSError as error:
                shown = ESCAPES.sub(b"", self.seen)[-400:].decode(errors="replace")
                raise BackendError(f"{' '.join(self.command)} ended: {shown}", "Run it by hand.") from error
