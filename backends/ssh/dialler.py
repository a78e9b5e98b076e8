"""Where no socket can be forwarded: a local listener, each connection piped through `investigator dial` over there."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path


class Dialler:
    """Listens on a private local socket; ssh itself reads and writes each connection, nothing passes through here."""

    def __init__(self, path: Path, command: Sequence[str]) -> None:
        """Listen at once; `command` is run for every connection with the connection as its standard streams."""
        self._command = list(command)
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(64)
        self._dialled: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._accept, name="dialler", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self._dialled = [process for process in self._dialled if process.poll() is None]
                    self._dialled.append(self._dial(connection.fileno()))

    def _dial(self, connection: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        """Stop listening and end what was dialled."""
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        for process in self._dialled:
            process.kill()
            process.wait()
        self._path.unlink(missing_ok=True)
