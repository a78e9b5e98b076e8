"""A task: one question on its way through the lanes, owned by the thread that took it from a queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from backends.base import Lane
from backends.server.encoding import failed, line, log, name_of
from backends.server.journal import Journal
from investigator.events import ends
from investigator.wire import Cancelled, Event, Question, Verb


class Task:
    """A question at work: its verb, its generator once begun, and the reason to stop once there is one."""

    def __init__(self, question: Question, journal: Journal) -> None:
        self.question = question
        self.journal = journal
        self.verb: Verb = question.verb
        self.lane: Lane | None = None
        """Known once the verb is resolved."""
        self.steps: Iterator[Event | Path | None] | None = None
        self.stop: str | None = None
        """Why it is to be cancelled; set by any thread, obeyed by the owner before its next step."""
        self.arrival = 0
        """Place in the order of arrival, given by the first queue it enters."""
        self.n = 0
        """Number of its next event; written by the owner alone."""

    @property
    def started(self) -> bool:
        """Whether a generator is under way."""
        return self.steps is not None

    def close(self) -> None:
        """Close the generator, so that nothing of it runs on; what it raises while closing is only logged."""
        steps, self.steps = self.steps, None
        try:
            getattr(steps, "close", lambda: None)()
        except BaseException as error:
            log.error("%s did not close", name_of(self.verb), exc_info=error)


class Outbox:
    """Carries encoded events from worker threads to the event loop, waking it once for all that wait."""

    def __init__(self, log_file: Path | str, on_end: Callable[[Task], None]) -> None:
        self._log_file = log_file
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Task, int, bytes, bool]] = deque()
        self._woken = False

    def send(self, task: Task, event: Event, *, wake: bool = True) -> bool:
        """Number and pass on an event; return whether the question ended with it, as where a number is not finite.

        Without `wake` it travels with the next one, which must be about to follow.
        """
        try:
            encoded = line(event, task.n)
        except Exception as error:
            event = failed(error, task.verb, self._log_file)
            encoded = line(event, task.n)
        last = ends(event)
        self._pass_on(task, encoded, last, wake or last)
        return last

    def fail(self, task: Task, error: BaseException) -> None:
        """Close the task and end its question with the sentences that the exception stands for."""
        task.close()
        self.send(task, failed(error, task.verb, self._log_file))

    def cancel(self, task: Task) -> None:
        """Close the task and end its question as cancelled."""
        task.close()
        self.send(task, Cancelled(task.stop or ""))

    def _pass_on(self, task: Task, encoded: bytes, last: bool, wake: bool) -> None:
        self._waiting.append((task, task.n, encoded, last))
        task.n += 1
        if wake and not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._flush)
            except RuntimeError:
                return  # the loop is closed: the process is on its way out

    def _flush(self) -> None:
        self._woken = False
        while self._waiting:
            task, n, encoded, last = self._waiting.popleft()
            task.journal.append(n, encoded, last)
            if last:
                self._on_end(task)
