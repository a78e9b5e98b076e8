"""Opening the database file: WAL, busy timeout, migrations, and what to do with a damaged or unwritable one."""

from __future__ import annotations

import contextlib
import importlib.abc
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from investigator.errors import StoreError
from sessions import ids, migrations

if TYPE_CHECKING:
    from sqlite_utils import Database

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""SQLite's result codes for a file that is not a sound database."""


CHECKED_BYTES = 32 * 2**20
"""A file up to this size is checked for damage whenever it is opened."""


CACHE_KIB = 400
"""Page cache of a connection, in KiB; SQLite's own 2 MiB, twice, fill up over days and speed nothing up here."""


class Damaged(sqlite3.DatabaseError):
    """The file is a database whose pages do not fit together."""


class _WithoutPandas(importlib.abc.MetaPathFinder):
    """Refuses pandas to one thread, because sqlite-utils imports it where it is installed: 300 of 400 ms."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise ModuleNotFoundError for pandas in this thread; leave the rest to the other finders."""
        if name == "pandas" and threading.get_ident() == self.thread:
            raise ModuleNotFoundError("sqlite-utils works without pandas", name=name)


@contextlib.contextmanager
def _without_pandas() -> Iterator[None]:
    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def wrap(connection: sqlite3.Connection) -> Database:
    """Return the connection as a sqlite-utils database."""
    with _without_pandas():
        from sqlite_utils import Database
    return Database(connection, execute_plugins=False)


def in_memory() -> Database:
    """Return an empty database of this version that no file backs."""
    db = wrap(sqlite3.connect(":memory:", check_same_thread=False))
    migrations.make().apply(db)
    return db


def connect(path: Path, busy: float) -> Database:
    """Open the file for writing, make what it lacks, and return it.

    Raises sqlite3.Error or OSError where it cannot be written, StoreError where a newer version made it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, timeout=busy, check_same_thread=False)
    try:
        return _prepared(connection, path)
    except BaseException:
        connection.close()
        raise


def _prepared(connection: sqlite3.Connection, path: Path) -> Database:
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")  # an answer that was said to be saved survives a power cut
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    _check(connection, path)
    db = wrap(connection)
    _refuse_newer(db, path)
    with immediate(connection):  # also where nothing is pending: a folder that cannot be written says so now
        migrations.make().apply(db)
    return db


def _check(connection: sqlite3.Connection, path: Path) -> None:
    # A few milliseconds a megabyte; a larger file's damage shows when it is written.
    if path.stat().st_size <= CHECKED_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Damaged(found)


@contextlib.contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock from the first statement on, and commit; roll back where something is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _refuse_newer(db: Database, path: Path) -> None:
    applied = {found.name for found in migrations.make().applied(db)}
    if applied - migrations.names():
        raise StoreError(
            f"The session file {path} was written by a newer version of Investigator.",
            "Install that version, or set INVESTIGATOR_HOME to another folder.",
        )


def read_copy(path: Path) -> Database:
    """Return a copy in memory of a file that cannot be written, brought to this version; empty where it has none."""
    for mode in ("mode=ro", "mode=ro&immutable=1"):  # WAL needs a writable folder; immutable does without
        with contextlib.suppress(sqlite3.Error, StoreError):
            return _copied(path, mode)
    return in_memory()


def _copied(path: Path, mode: str) -> Database:
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    source = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
    with contextlib.closing(source):
        source.backup(memory)
    db = wrap(memory)
    _refuse_newer(db, path)
    migrations.make().apply(db)
    return db


def is_damaged(error: BaseException) -> bool:
    """Whether the error says that the file is no sound database (rather than busy, full or read-only)."""
    return isinstance(error, Damaged) or getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def put_aside(path: Path) -> Path:
    """Rename a damaged file with its journal, so that nothing of it is lost, and return its present name."""
    stamp = ids.now().replace(":", "").replace("-", "")[:15]
    kept = path.with_name(f"{path.name}.damaged-{stamp}-{ids.new_id()[-4:]}")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(kept.with_name(kept.name + ending))
    return kept
