"""Folding: one way to turn a stream of events into an answer, for app, command line, store and replay."""

from __future__ import annotations

from collections.abc import Iterable

from investigator.provenance import Provenance
from investigator.records import Result, Row
from investigator.wire import LAST, Accepted, Cancelled, Event, Failed, Finished, Partial, Progress, Verb


class Answer:
    """What is known so far of one question; events already seen are ignored, so replays are harmless."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.last = -1
        """Number of the last event applied; ask for events from `last + 1`."""
        self.verb: Verb | None = None
        self.provenance: Provenance | None = None
        self.rows: dict[str, Row] = {}
        self.progress: Progress | None = None
        self.result: Result | None = None
        self.error: Failed | None = None
        self.cancelled: Cancelled | None = None

    @property
    def ended(self) -> bool:
        """Whether the last event has been applied."""
        return self.result is not None or self.error is not None or self.cancelled is not None

    def apply(self, event: Event) -> bool:
        """Apply one event; return False where it was already seen or the answer had ended."""
        if event.n <= self.last or self.ended:
            return False
        self.last = event.n
        self._take(event)
        return True

    def _take(self, event: Event) -> None:
        match event:
            case Accepted():
                self.verb, self.provenance = event.verb, event.provenance
            case Progress():
                self.progress = event
            case Partial():
                self.rows.update((f"{type(row).__name__}:{row.key}", row) for row in event.rows)
            case Finished():
                self.result = event.result
            case Failed():
                self.error = event
            case Cancelled():
                self.cancelled = event


def fold(id: str, events: Iterable[Event]) -> Answer:
    """Apply events in order and return the answer they make."""
    answer = Answer(id)
    for event in events:
        answer.apply(event)
    return answer


def ends(event: Event) -> bool:
    """Whether no event follows this one."""
    return isinstance(event, LAST)
