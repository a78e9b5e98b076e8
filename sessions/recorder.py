"""The recorder: wraps any event stream and stores the answer when it ends, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor

from investigator.events import Answer
from investigator.wire import Cancelled, Event, Question
from sessions.records import Session
from sessions.store import Store

RETRY = 5.0
"""Seconds until what could not be saved is tried again."""
BROKEN = 64
"""Answers that broke off and may still be taken up again; the oldest beyond these are stored as they stand."""


class Recorder:
    """Records answers of one session. `trouble` is a sentence while something could not be saved, else empty.

    An answer is handed to the writer before its last event is passed on, so a consumer that stops reading there
    loses nothing. An answer stopped by the user is stored where rows had arrived; a stream that breaks is folded
    on when the same question is recorded again, and stored as it stands when the recorder closes.
    """

    def __init__(self, store: Store, session: Session, *, on_saved: Callable[[str], None] | None = None) -> None:
        self.store = store
        self.session = session
        self._on_saved = on_saved
        self._open: dict[str, tuple[Question, Answer]] = {}
        self._queue: deque[tuple[Session, Question, Answer]] = deque()
        self._jobs: set[Future[None]] = set()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._timer: threading.Timer | None = None
        self._failure = ""

    @property
    def trouble(self) -> str:
        """Return why something is not yet in the file and what to do, or nothing."""
        return self.store.trouble or self._failure

    async def record(self, question: Question, stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Pass a question's events through, and store its answer when it ends."""
        _, answer = self._open.setdefault(question.id, (question, Answer(question.id)))
        loop = asyncio.get_running_loop()
        try:
            async for event in stream:
                if answer.apply(event) and answer.ended:
                    self._hand_over(question, answer, loop)
                yield event
        finally:
            if answer.ended or answer.last < 0:
                self._open.pop(question.id, None)
            while len(self._open) > BROKEN:
                self._break_off(next(iter(self._open)))

    def _break_off(self, id: str) -> None:
        question, answer = self._open.pop(id)
        answer.cancelled = answer.cancelled or Cancelled("The stream broke off; these rows had arrived.")
        self._hand_over(question, answer, None)

    def save(self, question: Question, answer: Answer) -> None:
        """Store an answer that was folded elsewhere; returns at once, and says it is saved where a loop runs."""
        self._hand_over(question, answer, _running_loop())

    def _hand_over(self, question: Question, answer: Answer, loop: asyncio.AbstractEventLoop | None) -> None:
        if answer.cancelled is not None and not answer.rows:
            return  # nothing had arrived: cursor moves would fill the notebook with empty answers
        self._queue.append((self.session, question, answer))
        job = self._writer.submit(self._write, question.id, loop)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _write(self, id: str, loop: asyncio.AbstractEventLoop | None) -> None:
        # One job an answer, but the first takes all that wait: one transaction, one wait for the disk.
        several = []
        while self._queue:
            several.append(self._queue.popleft())
        try:
            self.store.save_answers(several)
        except Exception as error:  # said to the user, and kept for the next try
            self._queue.extendleft(reversed(several))
            self._failure = f"An answer could not be saved: {error}. It is kept in memory and tried with the next one."
            return
        self._failure = ""
        if self.store.trouble:
            self._try_later()
        elif self._on_saved is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._on_saved, id)

    def _try_later(self) -> None:
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(RETRY, self._retry)
            self._timer.daemon = True
            self._timer.start()

    def _retry(self) -> None:
        self._timer = None
        if not self.store.retry():
            self._try_later()

    async def flush(self) -> None:
        """Wait until everything handed over is in the file, or kept aside (see `trouble`)."""
        while self._jobs:
            await asyncio.gather(*(asyncio.wrap_future(job) for job in tuple(self._jobs)))

    async def aclose(self) -> None:
        """Store what broke off with rows, wait for the writer, and stop it; the store stays open."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Do as `aclose` does, without an event loop."""
        for id in tuple(self._open):
            self._break_off(id)
        self._writer.shutdown(wait=True)
        if self._timer is not None:
            self._timer.cancel()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
