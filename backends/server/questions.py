"""The table of questions: asked once an id, superseded by slot, kept until acknowledged within bounds."""

from __future__ import annotations

from collections.abc import Callable

from backends.server import limits
from backends.server.encoding import name_of
from backends.server.journal import Journal
from backends.server.refusals import Refused
from backends.server.tasks import Task
from backends.worklog import Keeper
from investigator.wire import Question, Running


class Questions:
    """All questions that are known here; only the event loop touches it."""

    def __init__(
        self,
        submit: Callable[[Task], None],
        cancel: Callable[[Task, str], None],
        keep: Callable[[Question], Keeper | None] = lambda question: None,
    ) -> None:
        """`keep` gives what writes a detached question's events to disk."""
        self._submit = submit
        self._cancel = cancel
        self._keep = keep
        self._open: dict[str, Task] = {}
        self._ended: dict[str, Journal] = {}
        """In the order in which they ended, oldest first."""

    @property
    def busy(self) -> bool:
        """Whether anything is queued or running."""
        return bool(self._open)

    def ask(self, question: Question) -> Journal:
        """Begin a question, or return the journal of the one that has its id; raise Refused where it cannot begin."""
        known = self._find(question.id)
        if known is not None:
            return self._same(known, question)
        self._supersede(question)
        self._make_room(question.client)
        keeper = self._keep(question) if question.detached else None
        task = Task(question, Journal(question, name_of(question.verb), keeper))
        self._open[question.id] = task
        self._submit(task)
        return task.journal

    def _same(self, known: Journal, question: Question) -> Journal:
        if (known.question.client, known.question.verb) != (question.client, question.verb):
            raise Refused(f"The id {question.id} belongs to another question.", "Give each question its own id.", 409)
        return known

    def _supersede(self, question: Question) -> None:
        if question.slot:
            for task in self._of(question.client):
                if task.question.slot == question.slot:
                    self._cancel(task, "superseded by a newer question")

    def _make_room(self, client: str) -> None:
        if len(self._open) >= limits.QUESTIONS:
            raise Refused(
                f"{len(self._open)} questions of all clients have not ended yet, and that is the most.",
                "Wait until the backend has answered some.",
                429,
            )
        waiting = sum(task.stop is None for task in self._of(client))
        if waiting >= limits.QUESTIONS_PER_CLIENT:
            raise Refused(
                f"{waiting} of your questions have not ended yet, and that is the most.",
                "Wait for some, or cancel them.",
                429,
            )

    def _of(self, client: str) -> list[Task]:
        return [task for task in self._open.values() if task.question.client == client]

    def _find(self, id: str) -> Journal | None:
        task = self._open.get(id)
        return task.journal if task else self._ended.get(id)

    def journal(self, id: str) -> Journal:
        """Return a question's journal; raise Refused (404) where it is not known."""
        found = self._find(id)
        if found is None:
            raise Refused(
                f"No question {id[:128]!r} is known here; it was acknowledged, dropped or asked elsewhere.",
                "Ask it again.",
                404,
            )
        return found

    def cancel(self, id: str, reason: str) -> None:
        """Cancel a question; harmless where it has ended, Refused (404) where it is not known."""
        self.journal(id)
        if id in self._open:
            self._cancel(self._open[id], reason)

    def cancel_client(self, client: str, reason: str) -> None:
        """Cancel everything of one client that needs its client."""
        for task in self._of(client):
            if not task.question.detached:
                self._cancel(task, reason)

    def acknowledge(self, id: str) -> None:
        """Forget an ended question; Refused (409) where it has not ended; harmless where it is not known."""
        if id in self._open:
            raise Refused("The question has not ended, so its events cannot be forgotten.", "Cancel it first.", 409)
        self._drop(id)

    def _drop(self, id: str) -> int:
        journal = self._ended.pop(id, None)
        if journal is None:
            return 0
        journal.drop()
        return journal.bytes

    def clear(self) -> None:
        """Drop every ended question: the process is on its way out."""
        for id in tuple(self._ended):
            self._drop(id)

    def ended(self, task: Task) -> None:
        """Move an ended question to those kept, and drop the oldest of them beyond the bounds."""
        self._open.pop(task.question.id, None)
        self._ended[task.question.id] = task.journal
        size = sum(journal.bytes for journal in self._ended.values())
        while len(self._ended) > 1 and (len(self._ended) > limits.KEPT_QUESTIONS or size > limits.KEPT_BYTES):
            size -= self._drop(next(iter(self._ended)))

    def running(self) -> tuple[Running, ...]:
        """Return all questions as the status route shows them."""
        under_way = [task.journal.running(task.started) for task in self._open.values()]
        return (*under_way, *(journal.running(True) for journal in self._ended.values()))
