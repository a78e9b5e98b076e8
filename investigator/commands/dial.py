"""`dial`: standard input and output joined to a backend's socket, for links that cannot forward one."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from pathlib import Path

from investigator.commands.common import Options
from investigator.errors import BackendError

NAME = "dial"
HELP = "join standard input and output to a backend's socket, as `--on` does over ssh"
EXAMPLE = "investigator dial /run/user/1000/investigator-1000/pocket-0.sock"
_CHUNK = 65536


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("socket", metavar="SOCKET", help="the backend's socket on this machine")


def run(options: Options) -> int:
    """Copy both ways until either side closes."""
    from backends import rendezvous

    path = Path(options.socket).expanduser()
    rendezvous.check_socket(path)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(str(path))
    except OSError as error:
        raise BackendError(f"No backend listens at {path}: {error.strerror}.", "Start it again.") from error
    threading.Thread(target=_send, args=(link,), daemon=True).start()
    while chunk := link.recv(_CHUNK):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return 0


def _send(link: socket.socket) -> None:
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        link.sendall(chunk)
    link.shutdown(socket.SHUT_WR)
