"""Hosts for tests: this machine behind a real ssh and a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from investigator.commands.faults.loopback import Loopback, reachable, sshd

SSHD = sshd()


@contextmanager
def far_host(folder: Path, *, allow_sockets: bool = True) -> Iterator[Loopback]:
    """Give a host that `ssh far` reaches, and end what it started."""
    assert SSHD is not None
    host = Loopback(folder / "far", SSHD, allow_sockets=allow_sockets)
    with reachable(host):
        yield host
