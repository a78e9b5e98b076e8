"""A host that is this machine: a real sshd behind the real ssh, keys made for the run, a link that can be cut."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Loopback:
    """`ssh far` reaches an sshd that is started for each connection, as inetd would, with no port."""

    def __init__(self, folder: Path, *, allow_sockets: bool = True) -> None:
        assert SSHD, "no sshd on this machine"
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copyfile(folder / "user.pub", folder / "authorized")
        self._write_sshd(allow_sockets)
        self.pids = folder / "pids"
        self._write_client()

    def _write_sshd(self, allow_sockets: bool) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        lines = [
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            f"AllowStreamLocalForwarding {'yes' if allow_sockets else 'no'}",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def _write_client(self) -> None:
        # The shell's own number is written before it becomes sshd, so that a link can be cut with kill.
        daemon = f"echo $$ >> {self.pids}; exec {SSHD} -i -f {self.folder / 'sshd_config'} 2>{self.folder / 'sshd.log'}"
        proxy = self.folder / "proxy.sh"
        proxy.write_text(f"#!/bin/sh\n{daemon}\n")
        proxy.chmod(0o700)
        lines = [
            "Host far",
            f"  ProxyCommand {proxy}",
            f"  User {getpass.getuser()}",
            f"  IdentityFile {self.folder / 'user'}",
            "  IdentitiesOnly yes",
            "  StrictHostKeyChecking no",
            f"  UserKnownHostsFile {self.folder / 'known'}",
            "  LogLevel ERROR",
        ]
        (self.folder / "config").write_text("\n".join(lines) + "\n")
        real = shutil.which("ssh")
        shim = self.folder / "bin" / "ssh"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {real} -F {self.folder / "config"} "$@"\n')
        shim.chmod(0o700)

    @property
    def path(self) -> str:
        """The PATH under which `ssh` knows the host."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    @property
    def home(self) -> Path:
        """INVESTIGATOR_HOME on the far side."""
        return self.folder / "home"

    @property
    def command(self) -> str:
        """How `investigator` is called there."""
        words = [
            "env",
            f"INVESTIGATOR_HOME={self.home}",
            f"PYTHONPATH={ROOT}",
            sys.executable,
            "-P",
            "-m",
            "investigator",
        ]
        return shlex.join(words)

    def cut(self) -> None:
        """Cut every link that stands."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        numbers = self.pids.read_text().split() if self.pids.exists() else []
        self.pids.unlink(missing_ok=True)
        for process in map(int, numbers):
            _quietly(lambda process=process: os.kill(process, number))  # type: ignore[misc]


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except ProcessLookupError:
        return
