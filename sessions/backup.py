"""Backup: a whole copy of the database while it is in use, made by SQLite's own online backup."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from investigator.errors import BadInput, StoreError
from sessions import ids
from sessions.journal import Journal

PAGES = 256
"""Pages copied at a time; in between others may write, and the copy still is of one moment."""


def backup(path: Path, target: Path | None = None, *, busy: float = 5.0) -> Path:
    """Copy a database to a file that must not exist yet (beside it by default), and return that file's path.

    Rows that waited in spill files are merged first. Raises BadInput for a target that is there or cannot be, and
    StoreError where the database is damaged, cannot be read, or the disk is full; then no half copy stays.
    """
    if not path.is_file():
        raise BadInput(f"There is no session file {path}.", "Name one, or ask something first.")
    chosen = target or path.with_name(f"{path.stem}-{ids.now()[:19].replace(':', '').replace('T', '-')}.db")
    if chosen.exists():
        raise BadInput(f"{chosen} is there already, and no backup is written over.", "Name another file.")
    Journal(path, busy).close()  # merges what other programs left in spill files
    part = chosen.with_name(f".{chosen.name}.{os.getpid()}")
    try:
        _copy(path, part)
        os.link(part, chosen)  # in one step, and never over a file that came meanwhile
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"The session file {path} could not be copied to {chosen}: {error}.",
            "Check the room and the permissions there; a damaged file is mended by `investigator sessions repair`.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return chosen


def _copy(path: Path, part: Path) -> None:
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        source.backup(copy, pages=PAGES)
        copy.execute("PRAGMA journal_mode = delete")  # one file, with no log beside it
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the file is damaged ({found})")
    descriptor = os.open(part, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
