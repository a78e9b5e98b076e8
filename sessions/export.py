"""Export to JSON: everything of a session, as records, with the command that asks each question again."""

from __future__ import annotations

from typing import Any

import msgspec

from investigator import __version__
from sessions.markdown import EVERYTHING
from sessions.records import SavedAnswer, Session
from sessions.reproduce import command
from sessions.store import Store

FORMAT = 1
"""Raised when a reader of older exports would misunderstand a newer one."""


def export_json(store: Store, session: Session) -> str:
    """Return a session as one JSON document: session, token strips, answers and findings."""
    answers = store.answers(session, limit=EVERYTHING)
    document = {
        "format": FORMAT,
        "investigator": __version__,
        "session": session,
        "strips": {one.strip.id: one.strip for one in answers if one.strip is not None},
        "answers": [answer_document(one) for one in answers],
        "findings": store.findings(session),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def answer_document(saved: SavedAnswer) -> dict[str, Any]:
    """Return one answer with its strip by id, and its command."""
    fields = {field.name: getattr(saved, field.name) for field in msgspec.structs.fields(SavedAnswer)}
    return fields | {"strip": saved.strip.id if saved.strip else None, "command": command(saved)}
