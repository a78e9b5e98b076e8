"""Identities made by the client: rows made twice are one row, so spilling and merging are idempotent."""

from __future__ import annotations

import datetime
import hashlib
import secrets
import time

DEFAULT_SESSION = "notebook"
"""The session that is written to where none is named."""


def new_id() -> str:
    """Return 32 hex digits that sort by the millisecond they were made in (as UUID version 7 does)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def digest(*parts: object) -> str:
    """Return 32 hex digits that depend on the parts alone."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def session_id(name: str) -> str:
    """Return the identity of a session: from its name, so that two processes that make it make the same one."""
    return digest("session", name)


def strip_id(subject: str, token_ids: tuple[int, ...]) -> str:
    """Return the identity of a token strip: its subject model and its exact tokens."""
    return digest("strip", subject, tuple(token_ids))


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the microsecond: two answers are never stored within one."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def clean(text: str) -> str:
    """Return the text without what SQLite cannot hold: lone surrogates become ?, NUL goes."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
