"""A look through a socket: is the backend that was named really behind it?"""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

PATIENCE = 10.0
"""Seconds for one handshake over a fresh link; a far machine across an ocean needs half of one."""
_REQUEST = b"GET /handshake HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n"


def answers(path: Path, nonce: str) -> bool:
    """Return whether a backend with this nonce answers at the socket."""
    give_up = time.monotonic() + PATIENCE
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(PATIENCE)
        link.connect(str(path))
        link.sendall(_REQUEST)
        found = b""
        while time.monotonic() < give_up and (chunk := link.recv(65536)):
            found += chunk
            if nonce.encode() in found:
                return True
    return False
