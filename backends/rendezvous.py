"""Where a client and a local backend meet: a private folder with a socket, a lock held for life, and a nonce."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from investigator import paths
from investigator.errors import BackendError

LONGEST_PATH = 103
"""Bytes of a unix socket's path: 107 on Linux, 103 on macOS."""
LOCK_PATIENCE = 0.5
"""Seconds a starting backend tries for the lock, because clients hold it for microseconds to see whether it is free."""


class Place(NamedTuple):
    """The files of one backend, all named alike."""

    socket: Path
    lock: Path
    nonce: Path
    log: Path


class Badge(NamedTuple):
    """What a backend writes beside its socket, so that nothing else is mistaken for it."""

    nonce: str
    pid: int
    build: str


def place_of(socket_path: Path, log: Path | None = None) -> Place:
    """Return the files that belong to a socket."""
    name = socket_path.name.removesuffix(".sock")
    folder = socket_path.parent
    return Place(
        socket_path,
        folder / f"{name}.lock",
        folder / f"{name}.nonce",
        log or paths.log_folder() / f"backend-{name}.log",
    )


def place_for(workbench: Path, device: str, dtype: str) -> Place:
    """Return the files of the local backend for a workbench file on a device in a dtype.

    The name holds a digest of the file's content too, so that an edited workbench is never answered from the old one.
    """
    where = workbench.resolve()
    content = zlib.crc32(where.read_bytes()) if where.is_file() else 0
    mark = zlib.crc32("\0".join((str(where), device, dtype)).encode())
    stem = where.parent.name if where.name == "workbench.toml" else where.stem
    readable = "".join(char for char in stem if char.isascii() and (char.isalnum() or char in "-_"))[:16]
    return place_of(paths.socket_folder() / f"{readable or 'bench'}-{mark:08x}{content:08x}.sock")


def private_folder(folder: Path) -> None:
    """Make the folder with mode 0700, or check that it is ours alone to write to; raise BackendError where it is not.

    The usual socket folder is set to 0700; any other is the user's own, and its mode is left as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    usual = folder == paths.socket_folder()
    above = folder.parent.stat().st_mode
    if above & stat.S_IWOTH and not above & stat.S_ISVTX:
        raise BackendError(
            f"Everybody can write to {folder.parent}, so {folder} could be put aside and another put in its place.",
            "Name a socket in a folder of your own, or set INVESTIGATOR_HOME to one.",
        )
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or (found.st_mode & 0o022 and not usual):
        raise BackendError(
            f"The folder {folder} belongs to somebody else or can be written to by others, "
            "so no backend is started or trusted there.",
            "Name a socket in a folder of your own, or set INVESTIGATOR_HOME to one.",
        )
    if usual and stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def alive(place: Place) -> bool:
    """Whether a backend lives (or is starting) here: it holds the lock from its first moment to its last."""
    try:
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    with contextlib.closing(os.fdopen(descriptor)):
        return not _lock(descriptor, fcntl.LOCK_SH)


def hold_lock(place: Place) -> int | None:
    """Take the lock for the life of this process and return its descriptor, or None where another backend has it."""
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up = time.monotonic() + LOCK_PATIENCE
    while not _lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > give_up:
            os.close(descriptor)
            return None
        time.sleep(0.01)
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def listen(place: Place, badge: Badge) -> socket.socket:
    """Replace a stale socket by one of ours (0600, listening before it can be seen); only the lock's holder may."""
    check_length(place.socket)
    fresh = place.socket.with_name(f".{badge.pid}")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(fresh))
    finally:
        os.umask(before)
    try:
        check_socket(fresh)  # a file system may keep no modes
    except BackendError:
        listener.close()
        fresh.unlink(missing_ok=True)
        raise
    listener.listen(256)
    write_badge(place, badge)
    fresh.rename(place.socket)
    return listener


def check_socket(path: Path) -> None:
    """Raise BackendError where a socket is there that others own or could connect to; none at all is no fault."""
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BackendError(
            f"{path} is no socket that only you can use (mode {stat.S_IMODE(found.st_mode):04o}, "
            f"owner {found.st_uid}), so nothing is asked of it or answered there.",
            "Remove it, or name a socket on another file system.",
        )


def check_length(path: Path) -> None:
    """Raise BackendError where the path is too long for a unix socket."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise BackendError(
            f"The path {path} is too long for a socket ({LONGEST_PATH} bytes at most).",
            "Set XDG_RUNTIME_DIR or INVESTIGATOR_HOME to a shorter folder.",
        )


def write_badge(place: Place, badge: Badge) -> None:
    """Write the nonce file (0600) in one step."""
    fresh = place.nonce.with_name(f".{badge.pid}.nonce")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(badge._asdict(), file)
    fresh.rename(place.nonce)


def read_badge(place: Place) -> Badge | None:
    """Return what the backend beside this socket wrote, or None where nothing readable stands there."""
    try:
        return Badge(**json.loads(place.nonce.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def clear(place: Place) -> None:
    """Remove socket and nonce; the lock file stays, because removing it would let two backends hold two locks."""
    for file in (place.socket, place.nonce):
        with contextlib.suppress(OSError):
            file.unlink()
