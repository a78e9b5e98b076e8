"""Repair: whatever is readable of a damaged database goes into a sound one; the damaged file is kept whole."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from investigator.errors import BadInput, StoreError
from investigator.records import Record
from sessions import database, ids, migrations
from sessions.journal import Journal
from sessions.pages import Pages, Row
from sessions.spill import Line

_SHARED = (0x40000002, 510)
"""First byte and length of the range that SQLite locks for reading, for as long as a connection in WAL mode is open."""
COLUMNS: dict[str, tuple[tuple[str, tuple[type, ...]], ...]] = {
    "sessions": (("id", (str,)), ("name", (str,)), ("made_at", (str,))),
    "strips": (
        ("id", (str,)), ("subject", (str,)), ("prompt", (str,)), ("typed", (int,)), ("chat", (int,)),
        ("continued", (int,)), ("tokens", (str,)), ("words", (str,)),
    ),
    "answers": (
        ("id", (str,)), ("session", (str,)), ("kind", (str,)), ("asked", (str,)), ("question", (str, type(None))),
        ("verb", (str,)), ("provenance", (str, type(None))), ("result", (str, type(None))), ("rows", (str, type(None))),
        ("error", (str, type(None))), ("cancelled", (str, type(None))), ("strip", (str, type(None))),
        ("layer", (int, type(None))), ("position", (int, type(None))), ("words", (str,)), ("saved_at", (str,)),
    ),
    "findings": (("id", (str,)), ("session", (str,)), ("answer", (str,)), ("row_key", (str,)), ("made_at", (str,))),
    "revisions": (
        ("id", (str,)), ("finding", (str,)), ("title", (str,)), ("note", (str,)), ("tags", (str,)), ("removed", (int,)),
        ("words", (str,)), ("made_at", (str,)),
    ),
}  # fmt: skip
"""Columns of every table in their order in the file, with the types that a value may have; the id comes first."""
JSON = ("question", "verb", "provenance", "result", "rows", "error", "cancelled", "tokens", "tags")
"""Columns whose texts are JSON."""


class Repaired(Record, frozen=True):
    """What came of a repair."""

    path: str
    """The sound database."""
    read: tuple[str, ...]
    """The damaged files that rows were read from; they stay."""
    rows: dict[str, int]
    """Rows brought back that the sound database did not have, by table."""
    adopted: int = 0
    """Sessions whose name was lost; their answers stand under a name made of their id."""


def repair(path: Path, *, busy: float) -> Repaired:
    """Bring back every readable row of a damaged database, and of earlier ones that were put aside beside it.

    A damaged `path` is put aside under a new name, whole. Raises BadInput where there is no such file, StoreError where
    another program has it open or the sound one cannot be written.
    """
    if not path.is_file():
        raise BadInput(f"There is no session file {path}.", "Name one, or ask something first.")
    _refuse_open(path)
    if damaged(path):
        database.put_aside(path)
    journal = Journal(path, busy)
    try:
        _refuse_trouble(journal)
        before = counts(journal)
        read = tuple(put_aside_of(path))
        found = [line for file in read for line in lines(file)]
        adopted = _names(found, {row["id"] for row in journal.rows("select id from sessions")})
        journal.write([*adopted, *found])
        _refuse_trouble(journal)
        after = counts(journal)
    finally:
        journal.close()
    return Repaired(
        str(path), tuple(map(str, read)), {name: after[name] - before[name] for name in after}, len(adopted)
    )


def damaged(path: Path) -> bool:
    """Whether SQLite finds anything wrong with a file; a whole check, whatever its size."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not database.is_damaged(error):
            raise StoreError(f"The session file {path} cannot be read: {error}.", "Check its permissions.") from error
        return True


def put_aside_of(path: Path) -> list[Path]:
    """Return the damaged files that were put aside beside a database, oldest first."""
    beside = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(file for file in beside if not file.name.endswith(("-wal", "-shm")))


def counts(journal: Journal) -> Counter[str]:
    """Return the number of rows of every table."""
    return Counter({name: journal.rows(f"select count(*) as n from [{name}]")[0]["n"] for name in migrations.TABLES})


def lines(file: Path) -> Iterator[Line]:
    """Yield every whole row of our tables that stands anywhere in a file, each id once."""
    seen: set[tuple[str, str]] = set()
    for row in Pages(file).rows():
        name = table_of(row)
        if name is not None and (name, row[0]) not in seen:
            seen.add((name, row[0]))
            yield name, dict(zip((column for column, _ in COLUMNS[name]), row, strict=True))


def table_of(row: Row) -> str | None:
    """Return the table whose columns a row's values fit, None where it is no whole row of ours."""
    for name, columns in COLUMNS.items():
        fits = len(row) == len(columns) and all(
            isinstance(value, types) for value, (_, types) in zip(row, columns, strict=True)
        )
        if fits and row[0] and _readable(dict(zip((column for column, _ in columns), row, strict=True))):
            return name
    return None


def _readable(row: dict[str, Any]) -> bool:
    # A byte turned over in a text leaves a row that looks whole; what is no JSON any more could not be shown.
    with contextlib.suppress(msgspec.DecodeError):
        for name in JSON:
            if row.get(name) is not None:
                msgspec.json.decode(row[name])
        return True
    return False


def _names(found: list[Line], known: set[str]) -> list[Line]:
    """Return rows for sessions that answers or findings name and that were lost."""
    named = known | {str(row["id"]) for name, row in found if name == "sessions"}
    wanted = {str(row["session"]) for name, row in found if name in {"answers", "findings"}} - named
    return [
        ("sessions", {"id": id, "name": f"recovered {id[:8]}", "made_at": ids.now()}) for id in sorted(wanted) if id
    ]


def _refuse_trouble(journal: Journal) -> None:
    if journal.trouble:
        raise StoreError(journal.trouble, "Mend that first, then repair again; nothing was lost.")


def _refuse_open(path: Path) -> None:
    # A program that has the file open would go on writing into the damaged one.
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED[1], _SHARED[0])
        except OSError as error:
            raise StoreError(
                f"Another program has the session file {path} open, so it is not repaired now.",
                "Close Investigator everywhere (what it answered is kept), then repair.",
            ) from error
