"""A pane's state in words: one of eleven, from what is known of its question, its rows and the link."""

from __future__ import annotations

from typing import Literal

import msgspec

from investigator.text import inert
from screens.link import Status
from screens.marks import Marks
from screens.work import Work

SHORT = 16
"""Characters up to which a message stands before the count."""

Name = Literal[
    "empty",
    "loading",
    "queued",
    "running",
    "estimate",
    "done",
    "stale",
    "stopped",
    "error",
    "disconnected",
]


class PaneState(msgspec.Struct, frozen=True):
    """How a pane stands."""

    name: Name
    words: str
    """One line."""
    said: str = ""
    """Sentences for a person, where there is something to say or to do."""


class Facts(msgspec.Struct, frozen=True):
    """What a pane knows when it says how it stands."""

    work: Work | None
    rows: bool
    """Whether rows are shown."""
    rows_of: str
    """Place of the rows in words, where it is not the cursor's; else empty."""
    summary: str
    """What a finished answer says of itself: `5 active`."""
    hint: str
    """What to press while there is nothing."""
    link: Status
    marks: Marks


def state_of(facts: Facts) -> PaneState:
    """Return the state; rows of another place are named whatever else is said."""
    work = facts.work
    if work is None:
        return _idle(facts)
    match work.state:
        case "waiting":
            return _waiting(facts)
        case "queued":
            return PaneState("queued", _beside(facts, "queued"))
        case "running":
            return _running(facts, work)
        case "done":
            return _done(facts, work)
        case "stopped" | "superseded":
            return PaneState(
                "stopped", _beside(facts, f"stopped {work.progress}".strip()), "" if facts.rows else facts.hint
            )
        case "disconnected":
            return PaneState("disconnected", _beside(facts, "disconnected"), _failure(work))
        case "error":
            return PaneState("error", _beside(facts, "error"), _failure(work))


def _idle(facts: Facts) -> PaneState:
    if facts.rows and facts.rows_of:
        return PaneState("stale", f"stale: rows of {facts.rows_of}", facts.hint)
    if facts.link.state != "ready":
        return _waiting(facts)
    return PaneState("empty", "empty", facts.hint)


def _waiting(facts: Facts) -> PaneState:
    link = facts.link
    if link.state in {"failed", "lost"}:
        return PaneState("disconnected", _beside(facts, "disconnected"), f"{link.message} {link.mend}".strip())
    return PaneState("loading", _beside(facts, f"loading: {link.message}" if link.message else "loading"))


def _running(facts: Facts, work: Work) -> PaneState:
    step, marks = work.answer.progress, facts.marks
    message = inert(step.message) if step else ""
    name: Name = "estimate" if message.startswith("estimate") else "running"
    word = f"{marks.estimate} {message}" if name == "estimate" else message or "running"
    if step and step.total:
        counted = f"{work.progress} {marks.meter(step.done, step.total)} ^g stops"
        # A long message goes last, where a narrow pane cuts it.
        long = len(word) > SHORT
        return PaneState(name, _beside(facts, f"{counted} {marks.dot} {word}" if long else f"{word} {counted}"))
    return PaneState(name, _beside(facts, f"{word} ^g stops"))


def _done(facts: Facts, work: Work) -> PaneState:
    if facts.rows and facts.rows_of:
        return _idle(facts)
    took = (
        "stored" if work.stored else f"{work.seconds:.1f} s" if work.seconds >= 0.1 else f"{work.seconds * 1000:.0f} ms"
    )
    words = f" {facts.marks.dot} ".join(part for part in (facts.summary, took) if part)
    return PaneState("done", words, "" if facts.rows else "Nothing to show here.")


def _beside(facts: Facts, words: str) -> str:
    return f"{words} {facts.marks.dot} rows of {facts.rows_of}" if facts.rows and facts.rows_of else words


def _failure(work: Work) -> str:
    failure = work.failure
    return f"{inert(failure.message)} {inert(failure.mend)}".strip() if failure else "It could not be answered."
