"""What is asked of the tables: each query sees one table, so that it runs alike on the file and on what waits."""

from __future__ import annotations

import unicodedata

from sessions.journal import Journal

_MATCH = "rowid in (select rowid from [{table}_fts] where [{table}_fts] match ?)"
_LIKE = "words like ? escape '\\'"


def with_term(journal: Journal, table: str, column: str, term: str) -> set[str]:
    """Return the values of `column` in rows whose words hold the term."""
    condition, value = _condition(table, term)
    return {
        row["found"] for row in journal.rows(f"select [{column}] as found from [{table}] where {condition}", [value])
    }


def _condition(table: str, term: str) -> tuple[str, str]:
    term = term.replace("\0", "").encode("utf-8", "replace").decode()
    if any(char.isalnum() for char in term):
        return _MATCH.format(table=table), '"' + term.replace('"', '""') + '"*'
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return _LIKE, f"%{escaped}%"


def answers_with(journal: Journal, search: str) -> set[str] | None:
    """Return ids of answers that hold every term, each in the answer itself or in its prompt; None: nothing asked."""
    found: set[str] | None = None
    for term in search.split():
        strips = with_term(journal, "strips", "id", term)
        ids = with_term(journal, "answers", "id", term) | answers_about(journal, strips)
        found = ids if found is None else found & ids
    return found


def answers_about(journal: Journal, strips: set[str]) -> set[str]:
    """Return the ids of answers about those token strips."""
    found: set[str] = set()
    for some in _chunks(sorted(strips)):
        marks = ",".join("?" * len(some))
        found |= {row["id"] for row in journal.rows(f"select id from answers where strip in ({marks})", some)}
    return found


def by_id(journal: Journal, table: str, ids: set[str], column: str = "id") -> list[dict[str, object]]:
    """Return the whole rows of those ids."""
    found: list[dict[str, object]] = []
    for some in _chunks(sorted(ids)):
        marks = ",".join("?" * len(some))
        found += journal.rows(f"select * from [{table}] where [{column}] in ({marks})", some)
    return found


def _chunks(values: list[str], size: int = 500) -> list[list[str]]:
    # SQLite takes 999 parameters at least; half of that leaves room.
    return [values[i : i + size] for i in range(0, len(values), size)]


def folded(text: str) -> str:
    """Return the text as the index compares it: no case, no diacritics."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))
