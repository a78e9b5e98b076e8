"""The order of work: by priority, then whichever client was served longest ago, then by arrival."""

from __future__ import annotations

import threading

from backends.server.tasks import Task


class FairQueue:
    """Tasks that wait for their next step in one lane; safe between threads."""

    def __init__(self, started: int) -> None:
        self._most_started = started
        self._waiting: list[Task] = []
        self._served: dict[str, int] = {}
        self._turn = 0
        self._arrivals = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, task: Task) -> None:
        """Add a task, or give it back after a step."""
        with self._changed:
            if not task.arrival:
                self._arrivals += 1
                task.arrival = self._arrivals
            self._waiting.append(task)
            self._changed.notify()

    def take(self) -> Task | None:
        """Wait for a task and hand it over, to be owned until it is put back; None once the queue is closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            task = min(self._candidates(), key=self._order)
            self._waiting.remove(task)
            self._turn += 1
            self._served[task.question.client] = self._turn
            return task

    def _candidates(self) -> list[Task]:
        started = [task for task in self._waiting if task.started]
        if len(started) < self._most_started:
            return self._waiting
        top = max(task.question.priority for task in started)
        return [task for task in self._waiting if task.started or task.stop or task.question.priority > top]

    def _order(self, task: Task) -> tuple[bool, int, int, int]:
        served = self._served.get(task.question.client, 0)
        return (task.stop is None, -task.question.priority, served, task.arrival)

    def withdraw(self, task: Task) -> bool:
        """Take out a task that has not begun; return False where it is not here or under way."""
        with self._changed:
            if task.started or task not in self._waiting:
                return False
            self._waiting.remove(task)
            return True

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def forget(self, client: str) -> None:
        """Forget when a client was last served."""
        with self._changed:
            self._served.pop(client, None)
