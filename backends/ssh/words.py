"""Command lines for the system's ssh: the master connection, what it runs there, and what it forwards."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from investigator.settings import Host, Settings

ALIVE_SECONDS = 5
"""Seconds of silence after which ssh asks whether the link still stands; after three such silences it is dead."""
DEAF = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""Ctrl-C goes to every process of the terminal: ssh must outlive it, so that the cancel can still be sent."""


def host_of(settings: Settings, name: str) -> Host:
    """Return a host of the settings, or one that ssh knows by this name."""
    return settings.hosts.get(name, Host())


def remote_line(host: Host, *arguments: str) -> str:
    """Return the line that the far side's shell reads; the command is the user's own, arguments are quoted."""
    return " ".join([called(host), *map(shlex.quote, arguments)])


def called(host: Host) -> str:
    """Return how Investigator is called there: the named command, or the one in the named environment."""
    if not host.venv:
        return host.command
    program = f"{host.venv.rstrip('/')}/bin/investigator"
    # The far shell knows the home folder, so a leading ~ stays bare.
    return f"~/{shlex.quote(program[2:])}" if program.startswith("~/") else shlex.quote(program)


def check(destination: str) -> list[str]:
    """Return the command that succeeds where the user keeps a connection to the host (ControlMaster) already."""
    return ["ssh", "-O", "check", "--", destination]


def master(destination: str, control: Path | None, line: str, *, silent: bool) -> list[str]:
    """Return the command of a connection that runs `line` there; `silent` asks for no password.

    Without a control path it shares the connection that the user keeps.
    """
    if control is None:
        return [*DEAF, "ssh", "-T", *_flags(["ControlMaster=no", "BatchMode=yes"]), "--", destination, line]
    options = [
        "ControlMaster=yes",
        "ControlPersist=no",
        f"ServerAliveInterval={ALIVE_SECONDS}",
        "ServerAliveCountMax=3",
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
        *(["BatchMode=yes"] if silent else []),
    ]
    return [*DEAF, "ssh", "-T", *_by(control), *_flags(options), "--", destination, line]


def _by(control: Path | None) -> list[str]:
    return ["-S", str(control)] if control is not None else []


def _flags(options: Sequence[str]) -> list[str]:
    return [word for option in options for word in ("-o", option)]


def plain(destination: str, line: str, *, silent: bool) -> list[str]:
    """Return the command that runs a line there over a connection of its own, or over one that the user keeps."""
    alive = _flags([f"ServerAliveInterval={ALIVE_SECONDS}", "ServerAliveCountMax=3"])
    return ["ssh", "-T", *alive, *_flags(["BatchMode=yes"] if silent else []), "--", destination, line]


def forward(destination: str, control: Path | None, local: Path, remote: str, *, verb: str = "forward") -> list[str]:
    """Return the command that makes a running master forward a local socket to one over there, or `cancel` that."""
    # The masks stand here too: the process that asks for a forward decides them, not the master.
    masks = _flags(["StreamLocalBindUnlink=yes", "StreamLocalBindMask=0177"])
    return ["ssh", *_by(control), *masks, "-O", verb, "-L", f"{local}:{remote}", "--", destination]


def through(destination: str, control: Path | None, line: str) -> list[str]:
    """Return the command that runs a line there over the running master."""
    return [*DEAF, "ssh", "-T", *_by(control), "-o", "BatchMode=yes", "--", destination, line]
