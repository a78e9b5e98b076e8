"""The two seams: `Backend`, what every front end talks to, and `Engine`, what the server drives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal, Protocol

from investigator.provenance import Provenance, WorkbenchSummary
from investigator.wire import Event, Handshake, Question, ServerStatus, Verb

Lane = Literal["fast", "model", "child"]
"""fast: reads what is captured, beside the model queue; model: one at a time, in steps; child: a process of its own."""


class Backend(Protocol):
    """A backend as its clients see it, local or remote."""

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return who is there; with `wait`, once it is ready or has failed."""
        ...

    def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        """Ask (idempotent by id) and stream its events from number `start` on; leaving the iterator only detaches."""
        ...

    def file(self, id: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Stream the file that goes with an answer, from byte `start` on."""
        ...

    async def cancel(self, id: str) -> None:
        """Stop a question within one model step."""
        ...

    async def acknowledge(self, id: str) -> None:
        """Say that a question's events are safely stored and may be forgotten."""
        ...

    async def status(self) -> ServerStatus:
        """Return what the backend is doing."""
        ...

    async def aclose(self) -> None:
        """Give the lease back and close the connection."""
        ...


class Engine(Protocol):
    """The model side, free of sockets. `run` yields event bodies (n = 0); None marks a model step where it may stop."""

    def load(self) -> None:
        """Load the workbench; raise WorkbenchError with what to do."""
        ...

    def summary(self) -> WorkbenchSummary:
        """Return what is loaded."""
        ...

    @property
    def device(self) -> str:
        """Return the torch device in use."""
        ...

    @property
    def dtype(self) -> str:
        """Return the dtype of shown scores."""
        ...

    def lane(self, verb: Verb) -> Lane:
        """Say where a verb runs."""
        ...

    def resolve(self, verb: Verb) -> tuple[Verb, Provenance]:
        """Return the verb with defaults filled in, and its provenance; raise BadInput where it cannot be asked."""
        ...

    def first(self, verb: Verb) -> Iterator[Event]:
        """Yield what a resolved verb of the model lane can say at once, within milliseconds, before it queues there."""
        ...

    def run(self, verb: Verb) -> Iterator[Event | Path | None]:
        """Do a resolved verb: Progress and Partial events, then one Finished; raise InvestigatorError on failure.

        A path is a file that goes with the answer; whoever drives the engine deletes it when the question is dropped.
        """
        ...
