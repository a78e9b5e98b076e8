"""The store: sessions, answers and findings in one database, searched and never overwritten."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from investigator import paths
from investigator.errors import BadInput, StoreError
from investigator.events import Answer
from investigator.sources import Source
from investigator.wire import Question, Verb
from sessions import ids, queries, rows, tried
from sessions.journal import Journal
from sessions.records import Finding, SavedAnswer, Session, Strip

BUSY = 5.0
"""Seconds to wait for another process's write before the rows are kept aside."""


def open_store(path: Path | None = None, *, busy: float = BUSY) -> Store:
    """Open the session database, or make it; never raises: look at `Store.trouble` and `Store.notice`.

    Imports sqlite-utils (about 50 ms), so an app opens it in a thread, after its first paint.
    """
    return Store(Journal(path or paths.data_folder() / "sessions.db", busy))


class Store:
    """One database of many sessions. Every method may be called from any thread; writes never raise for a bad disk."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def path(self) -> Path:
        """Return the database file."""
        return self._journal.path

    @property
    def trouble(self) -> str:
        """Return a sentence while something could not be saved to the file, else nothing."""
        return self._journal.trouble

    @property
    def notice(self) -> str:
        """Return what happened at opening that a person should know, else nothing."""
        return self._journal.notice

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Save what waits, if it can be saved, and close."""
        self._journal.close()

    def retry(self) -> bool:
        """Try again to save what waits, and say whether nothing waits any more."""
        return self._journal.retry()

    # -- sessions -----------------------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """Return all sessions, the most recently used first."""
        answers = self._counts("answers", "saved_at")
        findings: dict[str, int] = {}
        for finding in self.findings():
            findings[finding.session] = findings.get(finding.session, 0) + 1
        found = [rows.session_of(row, answers, findings) for row in self._journal.rows("select * from sessions")]
        return sorted(found, key=lambda session: session.last_at or session.made_at, reverse=True)

    def _counts(self, table: str, time: str) -> dict[str, dict[str, Any]]:
        counts: dict[str, dict[str, Any]] = {}
        sql = f"select session, count(*) as n, max({time}) as last from [{table}] group by session"
        for row in self._journal.rows(sql):
            before = counts.get(row["session"], {"n": 0, "last": ""})
            counts[row["session"]] = {"n": before["n"] + row["n"], "last": max(before["last"], row["last"])}
        return counts

    def session(self, name_or_id: str, create: bool = True) -> Session:
        """Return the session of that name or id, made where there is none; raise BadInput where it may not be made."""
        name = " ".join(ids.clean(name_or_id).split())
        if not name:
            raise BadInput("A session needs a name.", "Give a name of at least one visible character.")
        found = self._journal.rows("select * from sessions where id = ? or name = ?", [name, name])
        if not found and not create:
            raise BadInput(f"There is no session called {name!r}.", "`investigator sessions` lists them.")
        if not found:
            found = [rows.session_row(name)]
            self._journal.write([("sessions", found[0])])
        return rows.session_of(found[0], self._counts("answers", "saved_at"), {})

    # -- answers ------------------------------------------------------------------------------------------------

    def save_answer(self, session: Session, question: Question, answer: Answer) -> None:
        """Store an answer; a second answer to the same question id changes nothing."""
        self.save_answers([(session, question, answer)])

    def save_answers(self, several: Iterable[tuple[Session, Question, Answer]]) -> None:
        """Store several answers in one transaction."""
        lines = [line for one in several for line in rows.answer_lines(one[0].id, one[1], one[2])]
        self._journal.write(lines)

    def answers(
        self, session: Session | None = None, search: str = "", *, kind: str = "", limit: int = 1000
    ) -> list[SavedAnswer]:
        """Return answers, oldest first, the newest `limit` of them; `search` needs every word, in prompt or answer."""
        where, values = _where({"session": session.id if session else "", "kind": kind})
        found = self._journal.rows(f"select id, saved_at from answers{where}", values)
        wanted = queries.answers_with(self._journal, search)
        chosen = sorted((row for row in found if wanted is None or row["id"] in wanted), key=_age)[-limit:]
        return self._answers_of({row["id"] for row in chosen})

    def answer(self, id: str) -> SavedAnswer:
        """Return one answer by its question's id, or by the beginning of it; raise BadInput where it is not one."""
        pattern = "".join(char for char in id if char.isalnum() or char in "-_")
        found = self._journal.rows("select id from answers where substr(id, 1, ?) = ? limit 3", [len(pattern), pattern])
        exact = [row for row in found if row["id"] == id]
        if len(exact or found) != 1 or not pattern:
            raise BadInput(f"{len(found)} stored answers have an id that begins with {id!r}.", "Give the whole id.")
        return self._answers_of({(exact or found)[0]["id"]})[0]

    def find_answer(self, id: str) -> SavedAnswer | None:
        """Return one answer by its question's whole id, or None."""
        return next(iter(self._answers_of({id})), None)

    def find(self, verb: Verb) -> SavedAnswer | None:
        """Return the newest complete answer to exactly this verb, as it was asked, or None."""
        found = self._journal.rows(
            "select id, saved_at from answers where asked = ? and result is not null", [rows.asked(verb)]
        )
        return self._answers_of({max(found, key=_age)["id"]})[0] if found else None

    def wordings_tried(self, session: Session, source: Source, besides: Collection[str] = ()) -> int:
        """Return how many distinct hypotheses, those in `besides` not counted, were scored at a source in a session."""
        found: set[str] = set()
        columns = "select id, verb from answers where session = ? and kind in ('test', 'contrast')"
        for row in self._journal.rows(f"{columns} and (result is not null or rows is not null)", [session.id]):
            found |= tried.texts_at(str(row["verb"]), source)
        return len(found - set(besides))

    def _answers_of(self, wanted: set[str]) -> list[SavedAnswer]:
        found: list[dict[str, Any]] = sorted(queries.by_id(self._journal, "answers", wanted), key=_age)
        strips = self._strips({row["strip"] for row in found if row["strip"]})
        return [rows.answer_of(row, strips.get(row["strip"])) for row in found]

    def _strips(self, wanted: set[str]) -> dict[str, Strip]:
        return {str(row["id"]): rows.strip_of(row) for row in queries.by_id(self._journal, "strips", wanted)}

    def strip(self, subject: str, token_ids: Sequence[int]) -> Strip | None:
        """Return the stored tokens of a prompt, or None where it was never opened."""
        id = ids.strip_id(subject, tuple(token_ids))
        return self._strips({id}).get(id)

    def newest(self) -> tuple[int, int]:
        """Return marks that grow with every stored answer and with every kept or edited finding, whoever wrote it."""
        answers, revisions = (
            self._journal.rows(f"select max(rowid) as newest from [{table}]")[0]["newest"] or 0
            for table in ("answers", "revisions")
        )
        return answers, revisions

    # -- findings -----------------------------------------------------------------------------------------------

    def keep(
        self,
        session: Session,
        answer_id: str,
        *,
        row_key: str = "",
        title: str,
        note: str = "",
        tags: Sequence[str] = (),
    ) -> Finding:
        """Keep an answer, or one row of it, as a finding."""
        row = {
            "id": ids.new_id(),
            "session": session.id,
            "answer": answer_id,
            "row_key": ids.clean(row_key),
            "made_at": ids.now(),
        }
        revision = rows.revision_row(row["id"], title, note, tuple(tags))
        self._journal.write([("findings", row), ("revisions", revision)])
        return rows.finding_of(row, revision)

    def edit_finding(
        self, id: str, note: str | None = None, tags: Sequence[str] | None = None, *, title: str | None = None
    ) -> Finding:
        """Revise a finding (the older states stay in the file); what is None stays as it is."""
        old = self.finding(id)
        kept = (old.title if title is None else title, old.note if note is None else note)
        revision = rows.revision_row(id, *kept, tuple(old.tags if tags is None else tags))
        self._journal.write([("revisions", revision)])
        return self.finding(id)

    def drop_finding(self, id: str) -> None:
        """Take a finding out of the list; its rows and its answer stay in the file."""
        old = self.finding(id)
        self._journal.write([("revisions", rows.revision_row(id, old.title, old.note, old.tags, removed=True))])

    def finding(self, id: str) -> Finding:
        """Return a finding by id; raise BadInput where there is none."""
        for finding in self._findings(list(queries.by_id(self._journal, "findings", {id}))):
            return finding
        raise BadInput(f"There is no finding {id!r}.", "`investigator sessions NAME` lists a session's findings.")

    def findings(self, session: Session | None = None, search: str = "") -> list[Finding]:
        """Return findings, oldest first; `search` needs every word in title, note, tags, answer or prompt."""
        where, values = _where({"session": session.id if session else ""})
        found = self._findings(self._journal.rows(f"select * from findings{where}", values))
        for term in search.split():
            noted = queries.with_term(self._journal, "revisions", "finding", term)
            answered = queries.answers_with(self._journal, term) or set()
            found = [one for one in found if one.answer_id in answered or (one.id in noted and _holds(one, term))]
        return found

    def _findings(self, found: Sequence[dict[str, Any]]) -> list[Finding]:
        newest: dict[Any, dict[str, Any]] = {}
        revisions = queries.by_id(self._journal, "revisions", {str(row["id"]) for row in found}, "finding")
        for revision in sorted(revisions, key=lambda row: str(row["id"])):
            newest[revision["finding"]] = revision
        kept = [row for row in found if row["id"] in newest and not newest[row["id"]]["removed"]]
        return [rows.finding_of(row, newest[row["id"]]) for row in sorted(kept, key=lambda row: str(row["id"]))]


def _holds(finding: Finding, term: str) -> bool:
    # The index also holds older revisions; the term must stand in the newest one.
    text = "\n".join((finding.title, finding.note, *finding.tags)).casefold()
    with contextlib.suppress(StoreError):
        return queries.folded(term) in queries.folded(text)
    return False


def _where(conditions: dict[str, str]) -> tuple[str, list[str]]:
    asked = {column: value for column, value in conditions.items() if value}
    clause = " and ".join(f"[{column}] = ?" for column in asked)
    return (f" where {clause}" if clause else ""), list(asked.values())


def _age(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["saved_at"]), str(row["id"])
