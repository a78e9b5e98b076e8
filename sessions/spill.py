"""Spill files: where rows wait, one JSON line each, while the database cannot take them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from investigator.paths import hash_of
from sessions import ids, migrations

Line = tuple[str, dict[str, Any]]
"""A table's name and a whole row of it."""


def folders(database: Path) -> tuple[Path, Path]:
    """Return where spill files of a database lie: beside it, or in a private folder of the system's temp folder."""
    return database.parent, Path(tempfile.gettempdir()) / f"investigator-{os.getuid()}"


def prefix(database: Path) -> str:
    """Return what the names of a database's spill files begin with."""
    return f"{database.stem}-{hash_of(str(database.absolute())):08x}-"


class Spill:
    """One process's spill file; locked while the process lives, so that no other merges it half-written."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._descriptor = -1
        self.path: Path | None = None

    def append(self, lines: Sequence[Line]) -> None:
        """Write rows and wait until they are on disk; raise OSError where no folder takes them."""
        block = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        if self.path is not None:
            with contextlib.suppress(OSError):
                return self._write(block)
        for folder in folders(self._database)[1 if self.path is not None else 0 :]:
            with contextlib.suppress(OSError):
                self._start(folder)
                return self._write(block)
        raise OSError("no folder takes a spill file")

    def _start(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{prefix(self._database)}{ids.new_id()}.spill"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.close()
        self._descriptor, self.path = descriptor, path

    def _write(self, block: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, block) != len(block):
                raise OSError("the disk is full")
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    def remove(self) -> None:
        """Delete the file: its rows are in the database."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.close()
        self.path = None

    def close(self) -> None:
        """Let go of the file and its lock; the next open of the database merges it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextlib.contextmanager
def waiting(database: Path) -> Iterator[list[Path]]:
    """Hold the locks of the spill files that other processes left behind, and give their paths."""
    held: list[int] = []
    found: list[Path] = []
    try:
        for path in _candidates(database):
            with contextlib.suppress(OSError):
                held.append(_locked(path))
                found.append(path)
        yield found
    finally:
        for descriptor in held:
            os.close(descriptor)


def _candidates(database: Path) -> list[Path]:
    # The temp folder is everybody's: only files that are ours, in a folder that is ours, are read.
    found: list[Path] = []
    for folder in folders(database):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.getuid() or folder == database.parent:
                found += sorted(p for p in folder.glob("*.spill") if p.name.startswith(prefix(database)))
    return found


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read(path: Path) -> list[Line]:
    """Return a spill file's rows; a last line cut short by a crash was never acknowledged and is left out."""
    lines: list[Line] = []
    for raw in path.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            table, row = msgspec.json.decode(raw, type=Line)
            if table in migrations.TABLES:
                lines.append((table, row))
    return lines
