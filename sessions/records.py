"""What the store hands out: sessions, saved answers with their token strip, and findings."""

from __future__ import annotations

from typing import Any

from investigator import expressions
from investigator.events import Answer
from investigator.provenance import Provenance
from investigator.records import Record, Result, Row, SweepRow, Token
from investigator.sources import Residual, Source, residuals, worded
from investigator.wire import Cancelled, Failed, Verb


class Session(Record, frozen=True):
    """One notebook of the database."""

    id: str
    name: str
    made_at: str
    answers: int = 0
    findings: int = 0
    last_at: str = ""
    """When its newest answer was saved; empty where there is none."""


class Strip(Record, frozen=True):
    """A prompt's tokens, stored once for all the answers about them."""

    id: str
    subject: str
    prompt: str
    tokens: tuple[Token, ...]
    typed: bool = True
    """Whether the prompt's text, typed again, gives these tokens."""
    chat: bool = False
    continued: int = 0
    """How many of the last tokens the model wrote."""


class SavedAnswer(Record, frozen=True):
    """An answer as it was stored: enough to draw it again exactly, and to ask it again."""

    id: str
    """The question's id."""
    session: str
    """The session's id."""
    question: Verb
    """The verb with every default resolved, where the backend said so; else as it was asked."""
    asked: Verb
    """The verb as it was asked."""
    provenance: Provenance | None
    result: Result | None
    rows: tuple[Row, ...]
    """The rows that had arrived where no result followed; else empty, because a result is complete alone."""
    error: Failed | None
    cancelled: Cancelled | None
    saved_at: str
    strip: Strip | None = None
    """The prompt's tokens, where the answer is about a prompt that was opened in any session."""

    @property
    def kind(self) -> str:
        """Return the verb's name, as the command line spells it."""
        return verb_name(self.question)

    @property
    def source(self) -> Source | None:
        """Return what was asked about, where the verb has a source."""
        return source_of(self.question)

    @property
    def expression(self) -> str:
        """Return the source as an expression, prompts that were asked as text as text; nothing without a source."""
        source, asked = self.source, source_of(self.asked)
        return "" if source is None else expressions.show(source if asked is None else worded(asked, source))

    @property
    def residual(self) -> Residual | None:
        """Return the first place in a prompt that was asked about, where there is one."""
        return residual_of(self.question)

    @property
    def prompt(self) -> str:
        """Return the prompt's text, or nothing where it is unknown."""
        return self.strip.prompt if self.strip else ""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Return the prompt's tokens, or none where they are unknown."""
        return self.strip.tokens if self.strip else ()

    def answer(self) -> Answer:
        """Return the folded answer, as it stood when the last event had been applied."""
        answer = Answer(self.id)
        answer.verb, answer.provenance = self.question, self.provenance
        answer.result, answer.error, answer.cancelled = self.result, self.error, self.cancelled
        answer.rows = {f"{type(row).__name__}:{row.key}": row for row in self.all_rows()}
        return answer

    def all_rows(self) -> tuple[Row, ...]:
        """Return the result's rows, or those that had arrived."""
        found: tuple[Row, ...] = getattr(self.result, "rows", ())
        return found or self.rows

    def row(self, key: str) -> Row | None:
        """Return the row of that key, written as `row.key` or as `Kind:key`; of a sweep's row also `Kind:key@token`."""
        for row in self.all_rows():
            if is_row(row, key):
                return row
        return None


class Finding(Record, frozen=True):
    """An answer, or one row of it, that a person keeps; note and tags as last revised."""

    id: str
    session: str
    answer_id: str
    row_key: str
    """Empty: the whole answer."""
    title: str
    note: str
    tags: tuple[str, ...]
    made_at: str
    edited_at: str


def is_row(row: Row, key: str) -> bool:
    """Whether a finding's key names a row; a sweep's also says which token of its layer was kept."""
    if isinstance(row, SweepRow):
        key = key.partition("@")[0]
    return key in {row.key, f"{type(row).__name__}:{row.key}"}


def verb_name(verb: Verb) -> str:
    """Return a verb's tag: `features`, `labels`, ..."""
    return str(verb.__struct_config__.tag)


def source_of(verb: Verb) -> Source | None:
    """Return the verb's source; the first of several."""
    found: Any = getattr(verb, "source", None)
    several: tuple[Source, ...] = getattr(verb, "sources", ())
    return found if found is not None else several[0] if several else None


def residual_of(verb: Verb) -> Residual | None:
    """Return the residual that a verb asks about; the first of those that a composed source is made of."""
    source = source_of(verb)
    return next(iter(residuals(source)), None) if source is not None else None
