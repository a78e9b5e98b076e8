"""Commands run on a host over an ssh connection of their own: their output line by line, and why they failed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from backends.ssh import words
from investigator.errors import BackendError, Disconnected, NotInstalled
from investigator.settings import Host

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
    """Yield the lines that a sub-command prints there; its own sentences go to this standard error.

    Raises Disconnected where the link breaks, FarError with its exit code where the command fails.
    """
    line = [*words.DEAF, *command(name, host, *arguments, silent=silent)]
    quiet = subprocess.DEVNULL if silent else None
    try:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=quiet)
    except FileNotFoundError as error:
        raise no_ssh() from error
    assert process.stdout is not None
    try:
        yield from process.stdout
        code = process.wait()
    finally:
        process.stdout.close()
        process.kill()
        process.wait()
    if code == CUT:
        raise Disconnected(f"The link to {name} broke, or it cannot be reached.", "Check the network and the name.")
    if code == 127:
        raise missing(name, host)
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
