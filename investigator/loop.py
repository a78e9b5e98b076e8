"""A background event loop, so that plain synchronous code (a script, a notebook with its own loop) can use async."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from investigator.errors import Stopped

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds that stopped work gets to put its things away."""


class Job(Generic[T]):
    """Work on the background loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self._loop = loop
        self._work = work
        self._ended = threading.Event()
        self._outcome: tuple[T] | None = None
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Have the loop begin the work."""
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            self._outcome = (await self._work,)
        except BaseException as error:  # handed over to the thread that waits
            self._error = error
        finally:
            self._ended.set()

    def result(self) -> T:
        """Wait for the end, and return or raise what came of it."""
        self._ended.wait()
        if isinstance(self._error, asyncio.CancelledError):
            raise Stopped("The work was stopped.") from None
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome[0]

    def stop(self) -> None:
        """Cancel the work and wait until it has put its things away."""
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._ended.wait(PATIENCE)


class BackgroundLoop:
    """An event loop in a thread of its own; usable from any other thread, also from one that runs a loop itself."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="investigator", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Job[T]:
        """Begin a coroutine and return at once."""
        job = Job(self._loop, work)
        job.begin()
        return job

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; Ctrl-C at any moment stops it before it is raised."""
        job = Job(self._loop, work)
        try:
            job.begin()
            return job.result()
        except KeyboardInterrupt:
            job.stop()
            raise

    def close(self) -> None:
        """Stop the loop, wait for its thread, and free what it held."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        if not self._thread.is_alive():
            self._loop.close()
