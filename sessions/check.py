"""Check: is the session file whole, does every row find what it refers to, and can every answer be read?

Nothing is changed: the file is opened for reading alone, and the words' index is checked in a copy in memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from investigator.errors import BadInput, StoreError
from investigator.records import CheckRow
from sessions import migrations, rows, spill
from sessions.database import is_damaged
from sessions.repair import put_aside_of

REPAIR = "`investigator sessions repair` brings back what is readable, and keeps the damaged file."
REFERENCES = (
    ("answers", "session", "sessions"),
    ("findings", "session", "sessions"),
    ("findings", "answer", "answers"),
    ("revisions", "finding", "findings"),
)
"""(table, column, the table whose id it holds). A strip may be missing: answers about tokens never opened have none."""
_NAMED = 3
"""Rows that a sentence names."""
_INDEXED_BYTES = 256 * 2**20
"""Largest file whose words' index is checked: the check needs a copy in memory."""
Check = Callable[[sqlite3.Connection, Path], Iterator[CheckRow]]


def check(path: Path) -> Iterator[CheckRow]:
    """Yield one line a check; raise BadInput where there is no such file."""
    if not path.is_file():
        raise BadInput(f"There is no session file {path}.", "Name one, or ask something first.")
    checks: dict[str, Check] = {
        "pages": _pages, "rows": _counts, "references": _references, "records": _records, "search": _search,
    }  # fmt: skip
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for name, look in checks.items():
            yield from _guarded(name, look, connection, path)
    yield from _waiting(path)
    yield from _aside(path)


def _guarded(name: str, look: Check, connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    try:
        yield from look(connection, path)
    except sqlite3.Error as error:
        mend = REPAIR if is_damaged(error) else "Try again in a moment."
        yield CheckRow(name, "error", f"It cannot be checked: {error}.", mend)


def _pages(connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        if not is_damaged(error):
            raise
        found = [str(error)]
    if found == ["ok"]:
        yield CheckRow("pages", "ok", f"{path} is whole ({path.stat().st_size / 1e6:,.1f} MB).")
    else:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        said = found[0].splitlines()[-1]
        yield CheckRow("pages", "error", f"{path} is damaged: {said}{more}.", REPAIR)


def _counts(connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    there = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
    lacking = [name for name in migrations.TABLES if name not in there]
    if lacking:
        yield CheckRow("rows", "error", f"It has no table {', '.join(lacking)}.", "Is this a session file?")
        return
    counts = {name: connection.execute(f"select count(*) from [{name}]").fetchone()[0] for name in migrations.TABLES}
    yield CheckRow("rows", "ok", ", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".")


def _references(connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    whole = True
    for table, column, other in REFERENCES:
        sql = f"select id from [{table}] where [{column}] not in (select id from [{other}])"
        lost = [str(row["id"]) for row in connection.execute(sql)]
        if lost:
            whole = False
            said = f"{len(lost)} {table} name a {column} that is not there: {', '.join(lost[:_NAMED])}."
            yield CheckRow("references", "error", said, REPAIR)
    if whole:
        yield CheckRow("references", "ok", "Every row finds what it refers to.")


def _records(connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    bad = [str(row["id"]) for row in connection.execute("select * from answers") if not _answer_reads(dict(row))]
    bad += [str(row["id"]) for row in connection.execute("select * from strips") if not _strip_reads(dict(row))]
    if bad:
        said = f"{len(bad)} records cannot be read: {', '.join(bad[:_NAMED])}."
        yield CheckRow("records", "error", said, "They stay as they are; a newer Investigator may have written them.")
    else:
        yield CheckRow("records", "ok", "Every answer and every prompt can be read.")


def _answer_reads(row: dict[str, Any]) -> bool:
    error = rows.answer_of(row, None).error
    return error is None or error.kind != "store" or row["error"] is not None


def _strip_reads(row: dict[str, Any]) -> bool:
    try:
        rows.strip_of(row)
    except StoreError:
        return False
    return True


def _search(connection: sqlite3.Connection, path: Path) -> Iterator[CheckRow]:
    if path.stat().st_size > _INDEXED_BYTES:
        yield CheckRow("search", "ok", "Not checked: the file is too large to be copied into memory.")
        return
    with contextlib.closing(sqlite3.connect(":memory:")) as copy:
        connection.backup(copy)
        for table in ("strips", "answers", "revisions"):
            copy.execute(f"insert into [{table}_fts]([{table}_fts], rank) values ('integrity-check', 1)")
    yield CheckRow("search", "ok", "The words' index agrees with the rows.")


def _waiting(path: Path) -> Iterator[CheckRow]:
    files = [file for folder in spill.folders(path) for file in folder.glob(f"{spill.prefix(path)}*.spill")]
    if files:
        count = sum(len(spill.read(file)) for file in files)
        said = f"{count} rows wait in {', '.join(map(str, files))}."
        yield CheckRow(
            "waiting", "warning", said, "They are merged when the program that holds them can write, or ends."
        )
    else:
        yield CheckRow("waiting", "ok", "No rows wait outside the file.")


def _aside(path: Path) -> Iterator[CheckRow]:
    if found := put_aside_of(path):
        said = f"A damaged file was put aside: {', '.join(file.name for file in found)}."
        yield CheckRow(
            "put aside", "warning", said, "`investigator sessions repair` brings back what is readable of it."
        )
