"""The one list of migrations; a database of any older version is brought here by applying what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STEPS: list[Callable[[Any], None]] = []
TABLES = ("sessions", "strips", "answers", "findings", "revisions")
"""Every table that is written to, in the order in which rows refer to each other."""


def _step(function: Callable[[Any], None]) -> Callable[[Any], None]:
    STEPS.append(function)
    return function


@_step
def m001_notebook(db: Any) -> None:
    """Sessions, strips, answers, findings and their revisions; every row is written once and never changed."""
    db["sessions"].create({"id": str, "name": str, "made_at": str}, pk="id", not_null={"name", "made_at"})
    db["strips"].create(
        {
            "id": str,
            "subject": str,
            "prompt": str,
            "typed": int,
            "chat": int,
            "continued": int,
            "tokens": str,
            "words": str,
        },
        pk="id",
    )
    db["answers"].create(
        {
            "id": str,
            "session": str,
            "kind": str,
            "asked": str,
            "question": str,
            "verb": str,
            "provenance": str,
            "result": str,
            "rows": str,
            "error": str,
            "cancelled": str,
            "strip": str,
            "layer": int,
            "position": int,
            "words": str,
            "saved_at": str,
        },
        pk="id",
        not_null={"session", "kind", "verb", "saved_at"},
    )
    db["answers"].create_index(["session", "saved_at"])
    db["answers"].create_index(["asked"])
    db["answers"].create_index(["strip"])
    db["findings"].create({"id": str, "session": str, "answer": str, "row_key": str, "made_at": str}, pk="id")
    db["findings"].create_index(["session", "made_at"])
    db["revisions"].create(
        {
            "id": str,
            "finding": str,
            "title": str,
            "note": str,
            "tags": str,
            "removed": int,
            "words": str,
            "made_at": str,
        },
        pk="id",
    )
    db["revisions"].create_index(["finding"])


@_step
def m002_search(db: Any) -> None:
    """Full-text search over the words of prompts, answers, notes and tags, kept up by triggers."""
    for table in ("strips", "answers", "revisions"):
        db[table].enable_fts(["words"], create_triggers=True, tokenize="unicode61 remove_diacritics 2")


def names() -> set[str]:
    """Return the names of all steps."""
    return {step.__name__ for step in STEPS}


def make(upto: int | None = None) -> Any:
    """Return the steps as a sqlite-utils `Migrations`; `upto` keeps the first so many (for tests of old databases)."""
    from sqlite_utils import Migrations

    migrations = Migrations("investigator")
    for step in STEPS[:upto]:
        migrations()(step)
    return migrations
