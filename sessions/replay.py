"""Replay: a stored answer beside the answer to the same question asked again, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from investigator.events import Answer
from investigator.provenance import Part, Provenance
from investigator.records import Record
from investigator.wire import CheckWorkbench, Open, Verb, Work
from sessions.differences import NOTHING, TOLERANCE, Difference, differences
from sessions.records import SavedAnswer, is_row

__all__ = ["TOLERANCE", "Comparison", "Difference", "Reason", "Same", "compare", "question_of", "reasons", "why_not"]

BUILD = "build of the code"
Same = Literal["identical", "within tolerance", "different"]
"""identical: to the bit; within tolerance: the same texts, numbers within it, the same order up to ties."""


class Reason(Record, frozen=True):
    """Something that was not the same when the question was asked again."""

    what: str
    before: str
    after: str

    @property
    def sentence(self) -> str:
        """Return it in words."""
        return f"{self.what}: {self.before or 'none'} before, {self.after or 'none'} now"


class Comparison(Record, frozen=True):
    """What came of asking a stored question again."""

    id: str
    """The stored answer's."""
    kind: str
    verdict: Same
    rows: tuple[Difference, ...]
    """Every value that differs, those outside the tolerance first."""
    reasons: tuple[Reason, ...]
    """What changed between the two, the likeliest cause first; also where the answers are identical."""
    tolerance: float = TOLERANCE

    @property
    def largest(self) -> float | None:
        """Return the largest difference of two numbers, None where no numbers differ."""
        return max((row.difference for row in self.rows if row.difference is not None), default=None)

    @property
    def sentence(self) -> str:
        """Return the verdict in words."""
        if self.verdict == "identical":
            return "identical to the bit"
        most = f", numbers by {self.largest:.2g} at most" if self.largest is not None else ""
        if self.verdict == "within tolerance":
            return f"within tolerance ({self.tolerance:g}); values that differ: {len(self.rows)}{most}"
        outside = sum(not row.within for row in self.rows)
        return f"different; values outside the tolerance ({self.tolerance:g}): {outside}{most}"


def why_not(saved: SavedAnswer) -> str:
    """Return why a stored answer is not asked again, in a sentence; nothing where it can be."""
    if isinstance(saved.question, Work):
        return "Long work is not replayed; its command does it again."
    if isinstance(saved.question, CheckWorkbench):
        return "The doctor says what is there now; it is not replayed."
    if saved.error is not None and saved.error.kind == "store":
        return saved.error.message
    if saved.result is None and saved.error is None:
        return "It was stopped before its end, so there is no whole answer to compare with."
    return ""


def question_of(saved: SavedAnswer) -> Verb:
    """Return the verb to ask again: every default as it was resolved, a typed prompt as text instead of tokens."""
    verb, asked = saved.question, saved.asked
    if isinstance(verb, Open) and isinstance(asked, Open) and asked.token_ids is None and asked.prompt:
        return msgspec.structs.replace(verb, prompt=asked.prompt, token_ids=None)
    return verb


def compare(saved: SavedAnswer, fresh: Answer, tolerance: float = TOLERANCE, row_key: str = "") -> Comparison:
    """Compare a stored answer with the answer to the same question asked again.

    Compares results (or errors), never times, ids or provenances; those give `reasons`. With `row_key`, that row
    alone. tolerance: nats per token for scores and gaps, relative for other numbers.
    """
    before, after = _parts(saved.answer(), row_key), _parts(fresh, row_key)
    why = tuple(reasons(saved.provenance, fresh.provenance))
    found = differences(before, after, tolerance)
    if any(reason.what == BUILD for reason in why):
        found = map(_unless_said_first, found)
    rows = tuple(sorted(found, key=lambda row: row.within))
    verdict: Same = "identical" if not rows else "within tolerance" if all(row.within for row in rows) else "different"
    return Comparison(saved.id, saved.kind, verdict, rows, why, tolerance)


def _unless_said_first(row: Difference) -> Difference:
    # Code of another build may say more than the one that gave the stored answer; that contradicts nothing.
    return msgspec.structs.replace(row, within=True) if row.before == NOTHING else row


def _parts(answer: Answer, row_key: str) -> Any:
    if answer.error is not None:
        return msgspec.structs.replace(answer.error, n=0)
    if row_key:
        rows = getattr(answer.result, "rows", ())
        return next((row for row in rows if is_row(row, row_key)), None)
    return answer.result


def reasons(before: Provenance | None, after: Provenance | None) -> Iterator[Reason]:
    """Yield what differs between two provenances, the likeliest cause of other numbers first."""
    if before is None or after is None:
        return
    for role in dict.fromkeys((*before.parts, *after.parts)):
        yield from _part(role, before.parts.get(role), after.parts.get(role))
    for name in ("seed", "dtype", "device"):
        yield from _changed(name, getattr(before, name), getattr(after, name))
    for name in dict.fromkeys((*before.libraries, *after.libraries)):
        yield from _changed(name, before.libraries.get(name), after.libraries.get(name))
    yield from _changed("Investigator", before.version, after.version)
    yield from _changed(BUILD, before.build, after.build)
    for name in ("threads", "plan", "machine", "workbench"):
        yield from _changed(_NAMES.get(name, name), getattr(before, name), getattr(after, name))


_NAMES = {"plan": "batch plan"}


def _part(role: str, before: Part | None, after: Part | None) -> Iterator[Reason]:
    if before == after:
        return
    if before is not None and after is not None:
        for name in ("name", "revision", "fingerprint"):
            if name != "fingerprint" or before.revision == after.revision:
                yield from _changed(f"{role} {before.name}, {name}", getattr(before, name), getattr(after, name))
        return
    yield Reason(role, before.name if before else "", after.name if after else "")


def _changed(what: str, before: Any, after: Any) -> Iterator[Reason]:
    if before != after:
        yield Reason(what, "" if before is None else f"{before}", "" if after is None else f"{after}")
