"""The scheduler: three lanes of worker threads that drive the engine's generators, step by step."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from backends.base import Engine, Lane
from backends.server import limits, priority
from backends.server.encoding import device_lost, log, name_of
from backends.server.fair import FairQueue
from backends.server.tasks import Outbox, Task
from investigator.errors import InvestigatorError, WorkbenchError
from investigator.provenance import WorkbenchSummary
from investigator.wire import Accepted, CheckWorkbench, Event, Verb

Child = Callable[[Verb], Iterator[Event | None]]
"""Runs a verb in a process of its own."""


class About(NamedTuple):
    """What an engine says of itself once it is loaded."""

    workbench: WorkbenchSummary | None = None
    device: str = ""
    dtype: str = ""


class Scheduler:
    """Owns the engine and the threads; `submit` and `cancel` are for the event loop."""

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        child: Child,
        log_file: Path | str,
        on_end: Callable[[Task], None],
        on_device_lost: Callable[[], None],
    ) -> None:
        self.engine: Engine | None = None
        self.state: Literal["loading", "ready", "failed"] = "loading"
        self.about = About()
        self.trouble: InvestigatorError | None = None
        """Why loading failed."""
        self.settled = asyncio.Event()
        """Set once the engine is ready or has failed."""
        self._make_engine = make_engine
        self._child = child
        self._log_file = log_file
        self._outbox = Outbox(log_file, on_end)
        self._on_device_lost = on_device_lost
        self._loop = asyncio.get_running_loop()
        self._loaded = threading.Event()
        self._lanes: dict[Lane, FairQueue] = {
            "fast": FairQueue(limits.STARTED),
            "model": FairQueue(limits.STARTED),
            "child": FairQueue(1),
        }

    def start(self) -> None:
        """Start the threads: the model thread loads the engine first, the others wait for it."""
        sys.setswitchinterval(limits.SWITCH)
        self._thread("model", self._load)
        self._thread("child", self._loaded.wait)
        for _ in range(limits.FAST_THREADS):
            self._thread("fast", self._loaded.wait)

    def _thread(self, lane: Lane, first: Callable[[], object]) -> None:
        def work() -> None:
            first()
            self._drive(self._lanes[lane])

        threading.Thread(target=work, name=f"{lane} lane", daemon=True).start()

    def _load(self) -> None:
        try:
            self.engine = self._make_engine()
            self.engine.load()
            # Asked once and here, because a summary may read files and handshakes are answered by the event loop.
            self.about = About(self.engine.summary(), self.engine.device, self.engine.dtype)
            self.state = "ready"
        except BaseException as error:
            self.trouble = self._why(error)
            self.state = "failed"
        priority.lower_model_threads()
        self._loaded.set()
        self._loop.call_soon_threadsafe(self.settled.set)

    def _why(self, error: BaseException) -> InvestigatorError:
        if isinstance(error, InvestigatorError):
            return error
        log.error("loading failed", exc_info=error)
        return WorkbenchError(f"The engine did not load: {type(error).__name__}: {error}.", f"See {self._log_file}.")

    def submit(self, task: Task) -> None:
        """Queue a question; what it resolves to decides its lane."""
        self._lanes["fast"].put(task)

    def cancel(self, task: Task, reason: str) -> None:
        """Stop a question: at once where it has not begun, before its next step otherwise."""
        task.stop = reason
        if any(queue.withdraw(task) for queue in self._lanes.values()):
            self._outbox.cancel(task)

    def stop(self) -> None:
        """Let every thread end after its step."""
        for queue in self._lanes.values():
            queue.close()

    def forget(self, client: str) -> None:
        """Forget a client that has gone."""
        for queue in self._lanes.values():
            queue.forget(client)

    def _drive(self, queue: FairQueue) -> None:
        while (task := queue.take()) is not None:
            if self._advance(task):
                queue.put(task)

    def _advance(self, task: Task) -> bool:
        """Do one step of a task; return whether it stays in this lane."""
        try:
            if task.stop is not None:
                self._outbox.cancel(task)
                return False
            return self._step(task) if task.lane else self._resolve(task)
        except BaseException as error:
            self._outbox.fail(task, error)
            if device_lost(error):
                self._loop.call_soon_threadsafe(self._on_device_lost)
            return False

    def _resolve(self, task: Task) -> bool:
        engine = self._usable(task.verb)
        task.verb, provenance = engine.resolve(task.verb)
        lane = engine.lane(task.verb)
        if self._outbox.send(task, Accepted(task.verb, provenance), wake=lane != "fast"):
            return False
        if lane == "model":
            self._begin(task, engine)
        task.lane = lane
        if lane != "fast":
            self._lanes[lane].put(task)
        return lane == "fast"

    def _begin(self, task: Task, engine: Engine) -> None:
        """Say what is known at once, here and not in the model lane, where another question's step may be under way."""
        try:
            for event in engine.first(task.verb):
                if task.stop is not None:
                    return
                self._outbox.send(task, event)
        except InvestigatorError as error:
            # What goes wrong here goes wrong again, and is said, when the question is done in earnest.
            log.warning("nothing at once of %s: %s", name_of(task.verb), error)

    def _usable(self, verb: Verb) -> Engine:
        # The doctor answers on a bench that did not load: that is when it is needed.
        if self.trouble is not None and not (isinstance(verb, CheckWorkbench) and self.engine is not None):
            raise type(self.trouble)(self.trouble.message, self.trouble.mend)
        assert self.engine is not None
        return self.engine

    def _step(self, task: Task) -> bool:
        if task.steps is None:
            task.steps = self._child(task.verb) if task.lane == "child" else self._usable(task.verb).run(task.verb)
        try:
            event = next(task.steps)
        except StopIteration:
            raise InvestigatorError(f"`{name_of(task.verb)}` ended without a result.", "Ask it again.") from None
        if isinstance(event, Path):
            task.journal.file = event
            return True
        if event is None or not self._outbox.send(task, event):
            return True
        task.close()
        return False
