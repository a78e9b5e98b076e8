"""A host that is this machine: a real sshd behind the real ssh, keys made for the run, a link that can be cut."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from investigator.paths import HOME_VARIABLE
from investigator.settings import Host

ROOT = Path(__file__).parents[3]
NAME = "far"
"""What `ssh` and `--on` call the host."""
_PATIENCE = 5.0
"""Seconds in which a link that has ended says so."""


def sshd() -> str | None:
    """Return the path of this machine's sshd, which is seldom on a user's PATH; None where there is none."""
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


class Loopback:
    """`ssh far` reaches an sshd that lives as long as its link; nothing listens anywhere."""

    def __init__(self, folder: Path, daemon: str, *, allow_sockets: bool = True) -> None:
        """Make keys and configurations in a folder that must not exist yet."""
        self.folder = folder
        self.home = folder / "home"
        """INVESTIGATOR_HOME on the far side."""
        self.budget = folder / "budget"
        folder.mkdir(parents=True)
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copyfile(folder / "user.pub", folder / "authorized")
        self._write_daemon(allow_sockets)
        self._write_client(daemon)

    def _write_daemon(self, allow_sockets: bool) -> None:
        if os.getuid() == 0:  # sshd separates its privileges there, and refuses to start without
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        settings = {
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "authorized",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "AllowStreamLocalForwarding": "yes" if allow_sockets else "no",
        }
        lines = (f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "sshd_config").write_text("".join(lines), encoding="utf-8")

    def _write_client(self, daemon: str) -> None:
        relay = Path(__file__).with_name("relay.py")
        words = [sys.executable, "-I", "-S", str(relay), daemon, str(self.folder / "sshd_config"), str(self.budget)]
        settings = {
            "ProxyCommand": shlex.join(words),
            "User": getpass.getuser(),
            "IdentityFile": self.folder / "user",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": self.folder / "known",
            "LogLevel": "ERROR",
        }
        lines = (f"  {name} {value}\n" for name, value in settings.items())
        (self.folder / "config").write_text(f"Host {NAME}\n{''.join(lines)}", encoding="utf-8")
        shim = self.folder / "bin" / "ssh"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder / "config"} "$@"\n', encoding="utf-8")
        shim.chmod(0o700)

    @property
    def host(self) -> Host:
        """The host as the settings name it."""
        variables = [f"{HOME_VARIABLE}={self.home}", f"PYTHONPATH={ROOT}"]
        return Host(command=shlex.join(["env", *variables, sys.executable, "-P", "-m", "investigator"]))

    def cut_after(self, size: int) -> None:
        """Let the next link die after so many bytes have come back."""
        self.budget.write_text(str(size), encoding="ascii")

    def passed(self) -> int:
        """Return how many bytes came back over the link that ended last; 0 where none has ended since the last look."""
        file = self.budget.with_name(f"{self.budget.name}.passed")
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            with suppress(OSError, ValueError):
                found = int(file.read_text(encoding="ascii"))
                file.unlink()
                return found
            time.sleep(0.01)
        return 0

    def cut(self) -> None:
        """Cut every link that stands."""
        subprocess.run(["pkill", "-KILL", "-f", f"sshd.*{self.folder / 'sshd_config'}"], check=False)

    def end_backends(self) -> None:
        """End what was started on the far side."""
        subprocess.run(["pkill", "-KILL", "-f", f"backends.server.*{self.home}"], check=False)


@contextmanager
def reachable(loopback: Loopback) -> Iterator[None]:
    """Let `ssh far` mean the loopback."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{loopback.folder / 'bin'}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
        with suppress(OSError):
            loopback.end_backends()
