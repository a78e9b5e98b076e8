"""One question on its way, as the screens see it."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec
from textual.message_pump import MessagePump

from investigator.errors import InvestigatorError
from investigator.events import Answer
from investigator.wire import Failed, Question, Verb

if TYPE_CHECKING:
    from sessions import SavedAnswer

State = Literal["waiting", "queued", "running", "done", "stopped", "error", "disconnected", "superseded"]
"""waiting: the backend is not ready yet; queued: asked, not yet begun; the last five are ends."""


class Work:
    """One question on its way, and what is known of its answer."""

    def __init__(self, verb: Verb, slot: str, listener: MessagePump, client: str, priority: int) -> None:
        self.id = uuid.uuid4().hex
        self.verb = verb
        self.slot = slot
        self.listener = listener
        self.question = Question(id=self.id, client=client, verb=verb, slot=slot, priority=priority)
        self.answer = Answer(self.id)
        self.state: State = "waiting"
        self.problem: InvestigatorError | None = None
        """Why there is no answer, where the link broke or the question was refused."""
        self.stored = False
        """Whether the answer had been given before in this run of the app."""
        self.started = time.monotonic()
        self.seconds = 0.0
        """How long it took, once ended."""
        self.told = float("-inf")
        """When the listener was last told."""
        self.telling = False
        """Whether a timer will tell the listener soon."""

    @property
    def name(self) -> str:
        """Return the verb's name: open, features, labels, explain, test, lens, feature."""
        return str(self.verb.__struct_config__.tag)

    @property
    def active(self) -> bool:
        """Whether an end is still to come."""
        return self.state in {"waiting", "queued", "running"}

    @property
    def progress(self) -> str:
        """Return `31/50`, or nothing where no total is known."""
        step = self.answer.progress
        return f"{step.done:,}/{step.total:,}" if step and step.total else ""

    def ask_anew(self) -> None:
        """Forget what had come: the question goes to another backend, under an id of its own."""
        self.question = msgspec.structs.replace(self.question, id=uuid.uuid4().hex)
        self.answer = Answer(self.question.id)

    @property
    def failure(self) -> Failed | None:
        """Return what went wrong, as sentences."""
        if self.answer.error:
            return self.answer.error
        return Failed(self.problem.kind, self.problem.message, self.problem.mend) if self.problem else None

    def end(self, state: State) -> None:
        """Note the end and how long it took."""
        self.state, self.seconds = state, time.monotonic() - self.started


def saved_work(saved: SavedAnswer, listener: MessagePump) -> Work:
    """Return a saved answer as work that has ended as it did then."""
    work = Work(saved.question, "", listener, "", 0)
    work.answer, work.stored = saved.answer(), True
    work.end("error" if saved.error else "stopped" if saved.cancelled else "done")
    return work
