"""Commands run on a host over an ssh connection of their own: their output line by line, and why they failed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO

from backends.ssh import words
from investigator.errors import BackendError, Disconnected, NotInstalled
from investigator.settings import Host
from investigator.text import inert

CUT = 255
"""Exit code of ssh itself, of no command over there."""


def run(name: str, host: Host, *arguments: str) -> int:
    """Run a sub-command of Investigator there with this terminal's streams, and return its exit code."""
    try:
        return subprocess.run(command(name, host, *arguments), check=False).returncode
    except FileNotFoundError as error:
        raise no_ssh() from error


def command(name: str, host: Host, *arguments: str, silent: bool = False) -> list[str]:
    """Return the command line that runs a sub-command there; `silent` asks for no password."""
    return words.plain(host.ssh or name, words.remote_line(host, *arguments), silent=silent)


def lines(name: str, host: Host, *arguments: str, silent: bool = False) -> Iterator[bytes]:
    """Yield the lines that a sub-command prints there; what it says besides is printed here when it ends.

    Raises Disconnected where the link breaks, NotInstalled where there is no such command, FarError with its exit code
    where it fails.
    """
    line = [*words.DEAF, *command(name, host, *arguments, silent=silent)]
    try:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise no_ssh() from error
    assert process.stdout is not None and process.stderr is not None
    said: list[str] = []
    hearing = threading.Thread(target=hear, args=(process.stderr, said), daemon=True)
    hearing.start()
    try:
        yield from process.stdout
        code = process.wait()
        hearing.join(timeout=5)
    finally:
        process.stdout.close()
        process.kill()
        process.wait()
    _check(name, host, code, said)


def hear(stream: IO[bytes], said: list[str]) -> None:
    """Collect what a process says on standard error, until it ends."""
    with contextlib.suppress(ValueError, OSError), stream:
        said.extend(line.decode(errors="replace").rstrip() for line in stream)


def _check(name: str, host: Host, code: int, said: list[str]) -> None:
    reason = inert(" ".join(said[-3:])).strip().rstrip(".")
    if code in (CUT, -signal.SIGKILL, -signal.SIGTERM):
        raise Disconnected(
            f"{name} cannot be reached, or the link broke: {reason or 'ssh gave no reason'}.",
            "Check the network and the name; `ssh -v` says more.",
        )
    if code == 127:
        raise missing(name, host, reason)
    for sentence in said:
        print(inert(sentence), file=sys.stderr)
    if code:
        raise FarError(f"The command failed on {name}.", code=code)


class FarError(BackendError):
    """A command failed over there and said why on standard error."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code
        """Its exit code."""


def missing(name: str, host: Host, said: str = "") -> NotInstalled:
    """Return the error of a host without the command that is to be called there."""
    return NotInstalled(
        f"There is no `{words.called(host)}` on {name}{f': {said}' if said else ''}.",
        f"`investigator install --on {name}` puts Investigator there; where it is, name its path as `command` in "
        f"[hosts.{name}] of the settings.",
    )


def no_ssh() -> BackendError:
    """Return the error of a machine without ssh."""
    return BackendError("There is no `ssh` on this machine.", "Install OpenSSH's client.")
