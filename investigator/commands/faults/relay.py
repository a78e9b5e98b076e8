"""A link that can be cut: ssh runs this as its ProxyCommand, and it runs sshd as inetd would, with no port.

`python relay.py SSHD CONFIG BUDGET`: the file BUDGET holds how many bytes may come back before the link is dead; it is
read once, so the next link stands again. Without the file the link is never cut. BUDGET.passed says afterwards how many
bytes came back. Standard library alone, and no package of ours: it starts in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_CHUNK = 65536


def main(sshd: str, config: str, budget_file: str) -> None:
    """Copy both ways until one side closes or the budget is spent."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # ssh sends it at its end, before the count is written
    file = Path(budget_file)
    budget = _budget(file)
    with subprocess.Popen([sshd, "-i", "-f", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdin is not None and daemon.stdout is not None
        passed = _copy(daemon.stdin.fileno(), daemon.stdout.fileno(), budget)
        daemon.kill()
    with contextlib.suppress(OSError):
        file.with_name(f"{file.name}.passed").write_text(str(passed), encoding="ascii")


def _budget(file: Path) -> float:
    try:
        found = float(file.read_text(encoding="ascii"))
        file.unlink()
    except (OSError, ValueError):
        return float("inf")
    return found


def _copy(to_daemon: int, from_daemon: int, budget: float) -> int:
    """Return how many bytes came back."""
    passed = 0
    with contextlib.suppress(OSError):
        while passed < budget:
            ready, _, _ = select.select([0, from_daemon], [], [])
            for source, target in ((0, to_daemon), (from_daemon, 1)):
                if source not in ready:
                    continue
                chunk = os.read(source, _CHUNK)
                if not chunk:
                    return passed
                if target == 1:
                    chunk = chunk[: int(min(len(chunk), budget - passed))]
                    passed += len(chunk)
                _whole(target, chunk)
    return passed


def _whole(target: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(target, chunk) :]


if __name__ == "__main__":
    main(*sys.argv[1:4])
