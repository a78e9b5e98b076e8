"""Bookmarks: where an app stands, so that one that was killed can be taken up again where it was.

One small file for each running app beside the database, and a lock that it holds for life. An app that is left takes
its files with it; what lies there unlocked belongs to one that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from investigator.records import Record
from investigator.sources import Residual
from sessions import ids

FOLDER = "desks"


class Bookmark(Record, frozen=True):
    """Where an app stood."""

    session: str
    """The session's id."""
    workbench: str
    prompt: str
    """The prompt's text, for where its tokens were never stored."""
    source: Residual
    """The cursor: exact tokens, layer, token or span."""
    mode: str = "bench"
    pane: int = 1
    orders: tuple[str, ...] = ()
    """Of the panes, in their order; empty where a pane has none."""
    filters: tuple[str, ...] = ()
    hypothesis: str = ""
    at: str = ""
    """When, ISO 8601 in UTC."""


class Bookmarks:
    """One app's bookmark, and those that others left behind. A folder that cannot be written costs only this."""

    def __init__(self, database: Path) -> None:
        self._folder = database.parent / FOLDER
        self._file = self._folder / f"{ids.new_id()}.json"
        self._lock = -1

    def write(self, mark: Bookmark) -> None:
        """Replace the bookmark in one step; raise OSError where the folder takes none."""
        if self._lock < 0:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        fresh = self._file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(msgspec.structs.replace(mark, at=ids.now())))
        fresh.replace(self._file)

    def take_over(self, session: str) -> Bookmark | None:
        """Return the newest bookmark of an app of this session that was killed, and make it this app's own."""
        found: list[Bookmark] = []
        for file in self._left_behind():
            with contextlib.suppress(OSError, msgspec.DecodeError):
                mark = msgspec.json.decode(file.read_bytes(), type=Bookmark)
                if mark.session != session:
                    continue
                found.append(mark)
            _remove(file)
        if not found:
            return None
        newest = max(found, key=lambda mark: mark.at)
        with contextlib.suppress(OSError):
            self.write(newest)
        return newest

    def _left_behind(self) -> Iterator[Path]:
        """Yield the files whose app lives no more, each while its lock is held here."""
        for file in sorted(self._folder.glob("*.json")):
            lock = -1
            try:
                lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CLOEXEC)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file
            except OSError:
                continue
            finally:
                if lock >= 0:
                    os.close(lock)

    def close(self) -> None:
        """Take the bookmark away: the app is left in good order."""
        if self._lock >= 0:
            _remove(self._file)
            os.close(self._lock)
            self._lock = -1


def _remove(file: Path) -> None:
    for each in (file, file.with_suffix(".new"), file.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)
