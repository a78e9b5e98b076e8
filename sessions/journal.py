"""The write path: rows go into the database, or wait in memory and in a spill file until it takes them."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from investigator.errors import StoreError
from sessions import database, migrations, spill
from sessions.spill import Line

if TYPE_CHECKING:
    from sqlite_utils import Database

IMPATIENT = 0.2
"""Seconds to wait for a lock while rows wait already: a long wait for each would pile up."""


class Journal:
    """Writes rows once, whatever happens to the file; reads see what is in it and what still waits.

    Safe to use from several threads. `trouble` is a sentence while rows wait, else empty.
    """

    def __init__(self, path: Path, busy: float) -> None:
        self.path = path
        self.trouble = ""
        self.notice = ""
        """What happened at opening that a person should know (a damaged file was put aside)."""
        self._busy = busy
        self._writing = threading.RLock()
        self._reading = threading.RLock()
        self._spill = spill.Spill(path)
        self._damaged = False
        self._waiting: list[Line] = []
        self._overlay: Database | None = None
        self._writer: Database | None = None
        self._reader: Database = self._open()
        self._merge_left_behind()

    # -- opening ------------------------------------------------------------------------------------------------

    def _open(self) -> Database:
        try:
            self._writer = self._connect(self._busy)
            return self._connect(self._busy)
        except (sqlite3.Error, OSError, StoreError) as error:
            self._close_writer()
            self.trouble = self._sentence(error)
            return database.read_copy(self.path)

    def _connect(self, busy: float) -> Database:
        try:
            return database.connect(self.path, busy)
        except sqlite3.DatabaseError as error:
            if not database.is_damaged(error):
                raise
            self._put_aside()
            return database.connect(self.path, busy)

    def _put_aside(self) -> None:
        kept = database.put_aside(self.path)
        self.notice = (
            f"The session file {self.path} was damaged. It is kept as {kept}, and an empty one was started; "
            "`investigator sessions repair` brings back what is readable of it."
        )

    def _merge_left_behind(self) -> None:
        with self._writing, spill.waiting(self.path) as paths:
            for path in paths:
                lines = spill.read(path)
                if self._writer is None:
                    self._overlay_add(lines)
                    continue
                with contextlib.suppress(sqlite3.Error):
                    _insert(self._writer, lines)
                    path.unlink(missing_ok=True)

    # -- writing ------------------------------------------------------------------------------------------------

    def write(self, lines: Sequence[Line]) -> None:
        """Store rows whose ids are not there yet; never raises for a database that cannot be written."""
        with self._writing:
            if self._waiting and not self.retry():
                return self._keep(lines)
            try:
                _insert(self._usable_writer(), lines)
            except (sqlite3.Error, OSError, StoreError) as error:
                self._damaged = database.is_damaged(error)
                self.trouble = self._sentence(error)
                self._keep(lines)
                if self._damaged:
                    self.retry()

    def retry(self) -> bool:
        """Try to bring the waiting rows into the database, and say whether none waits any more."""
        with self._writing:
            if not self._waiting and self._writer is not None:
                return True
            try:
                self._flush()
            except (sqlite3.Error, OSError, StoreError) as error:
                self.trouble = self._sentence(error)
                return False
            return True

    def _flush(self) -> None:
        writer = self._usable_writer()
        writer.conn.execute(f"PRAGMA busy_timeout = {int(IMPATIENT * 1000)}")
        try:
            _insert(writer, self._waiting)
        finally:
            writer.conn.execute(f"PRAGMA busy_timeout = {int(self._busy * 1000)}")
        with self._reading:
            self._waiting, self._overlay, self.trouble = [], None, ""
        self._spill.remove()

    def _usable_writer(self) -> Database:
        if self._damaged:
            self._close_writer()
            self._put_aside()
            self._damaged = False
        if self._writer is None:
            self._writer = self._connect(IMPATIENT)
            reader = self._connect(self._busy)
            with self._reading:
                self._reader.close()
                self._reader = reader
        return self._writer

    def _keep(self, lines: Sequence[Line]) -> None:
        self._overlay_add(lines)
        self._waiting.extend(lines)
        try:
            self._spill.append(lines)
        except OSError:
            self.trouble += " They are in memory only: make room before you close."

    def _overlay_add(self, lines: Sequence[Line]) -> None:
        with self._reading:
            if self._overlay is None:
                self._overlay = database.in_memory()
            _insert(self._overlay, lines)

    # -- reading ------------------------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a SELECT on the file and on what waits; rows with an `id` that both have come once."""
        with self._reading:
            found: dict[Any, dict[str, Any]] = {}
            for db in (self._reader, self._overlay):
                if db is not None:
                    for row in self._query(db, sql, parameters):
                        found.setdefault(row.get("id", len(found)), row)
            return list(found.values())

    def _query(self, db: Database, sql: str, parameters: Sequence[Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from db.query(sql, list(parameters))
        except sqlite3.Error as error:
            raise StoreError(
                f"The session file {self.path} could not be read: {error}.",
                "Close Investigator, then `investigator sessions repair` brings back what is readable.",
            ) from error

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Try once more to store what waits, then close; what still waits stays in the spill file."""
        with self._writing, self._reading:
            if self._waiting:
                self.retry()
            self._spill.close()
            self._close_writer()
            self._reader.close()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _sentence(self, error: BaseException) -> str:
        reason = error.message if isinstance(error, StoreError) else _reason(error)
        return f"Answers cannot be saved to {self.path}: {reason.rstrip('.')}. They are kept aside and tried again."


def _reason(error: BaseException) -> str:
    said = str(error)
    if "locked" in said:
        return "another program holds the file locked"
    if "full" in said or getattr(error, "errno", None) == 28:
        return "the disk is full; make room"
    if "readonly" in said or "unable to open" in said or isinstance(error, PermissionError):
        return "the file or its folder cannot be written; change its permissions or set INVESTIGATOR_HOME"
    return said


def _insert(db: Database, lines: Sequence[Line]) -> None:
    # INSERT OR IGNORE by client-made ids: writing a row twice is writing it once.
    with database.immediate(db.conn):
        for table in migrations.TABLES:
            rows = [row for name, row in lines if name == table]
            if rows:
                db.table(table).insert_all(rows, ignore=True)
