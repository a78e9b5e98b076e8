"""Detached work on disk: what was begun and every event of it, to be asked after when everybody has left."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from backends import rendezvous
from investigator import paths
from investigator.errors import BadInput
from investigator.events import ends
from investigator.wire import Event, Failed, Finished, Progress, Question

KEPT = 100
"""Works that ended and are remembered; the oldest are forgotten first."""
MOST_BYTES = 16 * 2**20
"""Bytes of one work's events on disk; beyond, only the last one is added."""
_TAIL = 1 << 18
log = logging.getLogger("backends.server")
State = Literal["running", "done", "failed", "cancelled", "broke off"]
_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Begun(msgspec.Struct, frozen=True):
    """The first thing known of a work: the question, and which backend took it."""

    question: Question
    socket: str
    nonce: str
    started_at: str
    """ISO 8601, UTC."""


class Known(NamedTuple):
    """One work as it stands."""

    begun: Begun
    state: State
    progress: Progress | None
    last: Event | None


def folder() -> Path:
    """Return the folder of works (not made here)."""
    return paths.log_folder() / "work"


class Keeper:
    """Writes one work's events as they come; a full disk loses the record, never the work."""

    def __init__(self, begun: Begun) -> None:
        folder().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder().mkdir(mode=0o700, exist_ok=True)
        _forget_oldest()
        name = begun.question.id
        (folder() / f"{name}.json").write_bytes(msgspec.json.encode(begun))
        self._file: Path = folder() / f"{name}.ndjson"
        self._file.unlink(missing_ok=True)
        self._size = 0

    def write(self, line: bytes, last: bool) -> None:
        """Append one encoded event."""
        self._size += len(line)
        if self._size > MOST_BYTES and not last:
            return
        try:
            with self._file.open("ab") as file:
                file.write(line)
        except OSError as error:
            log.error("events of work cannot be written to %s: %s", self._file, error)


def _forget_oldest() -> None:
    files = sorted(folder().glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - KEPT)]:
        file.with_suffix(".ndjson").unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def works() -> list[Known]:
    """Return all works that are remembered here, the newest first."""
    found = [begun for file in folder().glob("*.json") if (begun := _begun(file)) is not None]
    return [_known(begun) for begun in sorted(found, key=lambda begun: begun.started_at, reverse=True)]


def _begun(file: Path) -> Begun | None:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(file.read_bytes(), type=Begun)
    return None


def find(name: str) -> Known:
    """Return the one work whose id begins or ends so; raise BadInput where none or several do."""
    known = works()
    found = [one for one in known if one.begun.question.id == name]
    found = found or [one for one in known if one.begun.question.id.startswith(name)]
    found = found or [one for one in known if one.begun.question.id.endswith(name)]
    if len(found) != 1 or not name:
        there = ", ".join(one.begun.question.id for one in (found or known)[:10]) or "none"
        raise BadInput(
            f"{'Several works are' if found else 'There is no work'} called {name!r}.", f"There are: {there}."
        )
    return found[0]


def _known(begun: Begun) -> Known:
    last, progress = None, None
    for event in _newest(folder() / f"{begun.question.id}.ndjson"):
        last = event
        progress = event if isinstance(event, Progress) else progress
    if last is not None and ends(last):
        state: State = "done" if isinstance(last, Finished) else "failed" if isinstance(last, Failed) else "cancelled"
    else:
        state = "running" if lives(begun) else "broke off"
    return Known(begun, state, progress, last)


def lives(begun: Begun) -> bool:
    """Whether the very backend that took the work still lives."""
    place = rendezvous.place_of(Path(begun.socket))
    badge = rendezvous.read_badge(place)
    return badge is not None and badge.nonce == begun.nonce and rendezvous.alive(place)


def _newest(file: Path) -> Iterator[Event]:
    with contextlib.suppress(OSError), file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        opened.seek(max(0, size - _TAIL))
        lines = opened.read().split(b"\n")[0 if size <= _TAIL else 1 :]
        yield from _decoded(lines)


def events(id: str, start: int = 0) -> Iterator[Event]:
    """Yield what is on disk of a work's events, from number `start` on."""
    with contextlib.suppress(OSError), (folder() / f"{id}.ndjson").open("rb") as opened:
        yield from (event for event in _decoded(opened) if event.n >= start)


def _decoded(lines: Iterator[bytes] | list[bytes]) -> Iterator[Event]:
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError):
            yield _events.decode(line)
