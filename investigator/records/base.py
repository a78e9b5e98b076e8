"""What every record is, and the smallest of them."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, omit_defaults=False):
    """Base of every record: immutable, unknown fields ignored when decoded."""


class Token(Record, frozen=True):
    """One token of a prompt."""

    id: int
    text: str
    """The token's own text, spaces kept; not yet made inert."""
    special: bool = False


class Likely(Record, frozen=True):
    """A token and its probability or logit."""

    text: str
    value: float
