"""From records to table rows and back."""

from __future__ import annotations

import contextlib
from typing import Any, TypeVar

import msgspec

from investigator.errors import StoreError
from investigator.events import Answer
from investigator.provenance import Provenance
from investigator.records import Opened, Result, Row, Token
from investigator.wire import Cancelled, Failed, Open, Question, Verb, Work
from sessions import ids
from sessions.records import Finding, SavedAnswer, Session, Strip, residual_of, verb_name
from sessions.spill import Line
from sessions.words import words_of

T = TypeVar("T")


def session_row(name: str) -> dict[str, Any]:
    """Return the row of a session."""
    return {"id": ids.session_id(name), "name": name, "made_at": ids.now()}


def answer_lines(session: str, question: Question, answer: Answer) -> list[Line]:
    """Return the rows that store an answer: itself, and its prompt's token strip where it brings one."""
    verb = answer.verb or question.verb
    lines: list[Line] = []
    if isinstance(answer.result, Opened):
        lines.append(("strips", _strip_row(answer.result, question.verb)))
    lines.append(("answers", _answer_row(session, question, verb, answer)))
    return lines


def _strip_row(opened: Opened, asked: Verb) -> dict[str, Any]:
    return {
        "id": ids.strip_id(opened.subject, tuple(token.id for token in opened.tokens)),
        "subject": opened.subject,
        "prompt": ids.clean(opened.prompt),
        "typed": int(isinstance(asked, Open) and asked.token_ids is None and not opened.continued),
        "chat": int(isinstance(asked, Open) and asked.chat),
        "continued": opened.continued,
        "tokens": _text(opened.tokens),
        "words": words_of(Open(), _opened(opened)),
    }


def _opened(opened: Opened) -> Answer:
    answer = Answer("")
    answer.result = opened
    return answer


def _answer_row(session: str, question: Question, verb: Verb, answer: Answer) -> dict[str, Any]:
    residual = residual_of(verb)
    rows = () if answer.result is not None else tuple(answer.rows.values())
    return {
        "id": question.id,
        "session": session,
        "kind": verb_name(verb),
        "asked": asked(question.verb),
        "question": _text(question.verb),
        "verb": _text(verb),
        "provenance": _text(answer.provenance) if answer.provenance is not None else None,
        "result": _text(answer.result) if answer.result is not None else None,
        "rows": _text(rows) if rows else None,
        "error": _text(answer.error) if answer.error is not None else None,
        "cancelled": _text(answer.cancelled) if answer.cancelled is not None else None,
        "strip": _strip_of(verb, answer),
        "layer": residual.layer if residual else None,
        "position": residual.position if residual else None,
        "words": words_of(verb, answer),
        "saved_at": ids.now(),
    }


def _strip_of(verb: Verb, answer: Answer) -> str:
    if isinstance(answer.result, Opened):
        return ids.strip_id(answer.result.subject, tuple(token.id for token in answer.result.tokens))
    residual = residual_of(verb)
    return ids.strip_id(residual.subject, residual.token_ids) if residual else ""


def asked(verb: Verb) -> str:
    """Return the digest by which the same question is found again."""
    return ids.digest("asked", _text(verb))


def _text(record: Any) -> str:
    return msgspec.json.encode(_clean(record) if _has_surrogate(record) else record).decode()


def _has_surrogate(record: Any) -> bool:
    with contextlib.suppress(UnicodeEncodeError):
        msgspec.json.encode(record)
        return False
    return True


def _clean(record: Any) -> Any:
    match msgspec.to_builtins(record):
        case dict() as table:
            return {key: _clean(value) for key, value in table.items()}
        case list() | tuple() as several:
            return [_clean(value) for value in several]
        case str() as text:
            return ids.clean(text)
        case other:
            return other


def revision_row(finding: str, title: str, note: str, tags: tuple[str, ...], removed: bool = False) -> dict[str, Any]:
    """Return the row of one state of a finding's title, note and tags."""
    title, note = ids.clean(title), ids.clean(note)
    tags = tuple(dict.fromkeys(ids.clean(tag).strip() for tag in tags if tag.strip()))
    return {
        "id": ids.new_id(),
        "finding": finding,
        "title": title,
        "note": note,
        "tags": _text(tags),
        "removed": int(removed),
        "words": "\n".join((title, note, *tags)),
        "made_at": ids.now(),
    }


def session_of(row: dict[str, Any], answers: dict[str, Any], findings: dict[str, Any]) -> Session:
    """Return a session with what is counted of it."""
    counted: dict[str, Any] = answers.get(row["id"], {})
    return Session(
        row["id"], row["name"], row["made_at"], counted.get("n", 0), findings.get(row["id"], 0), counted.get("last", "")
    )


def strip_of(row: dict[str, Any]) -> Strip:
    """Return a stored token strip."""
    tokens = _read(row["tokens"], tuple[Token, ...], "a token strip")
    return Strip(
        row["id"], row["subject"], row["prompt"], tokens, bool(row["typed"]), bool(row["chat"]), row["continued"]
    )


def answer_of(row: dict[str, Any], strip: Strip | None) -> SavedAnswer:
    """Return a stored answer; where a part of it cannot be read, the answer says so as its error."""
    what = f"answer {row['id']}"
    try:
        return _answer_of(row, strip, _read(row["verb"], Verb, what), what)
    except StoreError as error:
        bare = dict(row) | {"provenance": None, "result": None, "rows": None, "cancelled": None, "error": None}
        bare["question"] = None
        saved = _answer_of(bare, strip, _verb_or_none(row), what)
        return msgspec.structs.replace(saved, error=Failed(error.kind, error.message, error.mend))


def _verb_or_none(row: dict[str, Any]) -> Verb:
    with contextlib.suppress(StoreError):
        verb: Verb = _read(row["verb"], Verb, "")
        return verb
    return Work(str(row["kind"]))


def _answer_of(row: dict[str, Any], strip: Strip | None, verb: Verb, what: str) -> SavedAnswer:
    return SavedAnswer(
        id=row["id"],
        session=row["session"],
        question=verb,
        asked=_maybe(row["question"], Verb, what) or verb,
        provenance=_maybe(row["provenance"], Provenance, what),
        result=_maybe(row["result"], Result, what),
        rows=_maybe(row["rows"], tuple[Row, ...], what) or (),
        error=_maybe(row["error"], Failed, what),
        cancelled=_maybe(row["cancelled"], Cancelled, what),
        saved_at=row["saved_at"],
        strip=strip,
    )


def finding_of(row: dict[str, Any], revision: dict[str, Any]) -> Finding:
    """Return a finding as last revised."""
    tags = _read(revision["tags"], tuple[str, ...], f"finding {row['id']}")
    return Finding(
        row["id"],
        row["session"],
        row["answer"],
        row["row_key"],
        revision["title"],
        revision["note"],
        tags,
        row["made_at"],
        revision["made_at"],
    )


def _maybe(text: str | None, type: Any, what: str) -> Any:
    return None if text is None else _read(text, type, what)


def _read(text: str, type: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(text, type=type)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise StoreError(
            f"What is stored of {what} cannot be read: {error}.",
            "It stays in the file; a newer Investigator may have written it.",
        ) from error
