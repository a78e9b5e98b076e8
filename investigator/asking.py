"""Asking: one question through a backend and a recorder, folded; what API and command line share."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from investigator import clients
from investigator.deaths import Deaths
from investigator.errors import Disconnected, InvestigatorError, Stopped, from_wire
from investigator.events import Answer
from investigator.wire import Event, Question, Verb

if TYPE_CHECKING:
    from backends.base import Backend
    from sessions import Recorder

PATIENCE = 5.0
"""Seconds to wait for the end of a question that was stopped, so that the rows that had come are stored."""
Watch = Callable[[Answer], None]


class Asker:
    """Asks questions of one backend, each recorded where there is a recorder."""

    def __init__(self, backend: Backend, recorder: Recorder | None) -> None:
        self.backend = backend
        self.recorder = recorder
        self.deaths = Deaths()
        self._client = getattr(backend, "client", "") or clients.new_name()
        self._nonce = ""
        """Of the backend that answers; another one's means that it died."""

    async def ask(self, verb: Verb, watch: Watch | None = None) -> Answer:
        """Ask and return an answer that has a result; raise what it ended with otherwise (see `checked`)."""
        return checked(await self.answer(verb, watch))

    async def answer(self, verb: Verb, watch: Watch | None = None) -> Answer:
        """Ask and return the answer, however it ended; `watch` sees it after every event.

        A cancelled task cancels the question, waits for the rows that had come, and lets the recorder have them. Where
        the backend dies under it, it is asked once more; raises BackendError where that killed it twice.
        """
        while True:
            if refusal := self.deaths.refusal(verb):
                raise refusal
            try:
                self._nonce = self._nonce or (await self.backend.handshake()).nonce
                return await self._answer(verb, watch)
            except Disconnected:
                if not await self._died():
                    raise
                self.deaths.note(verb)

    async def _died(self) -> bool:
        """Whether another backend stands in the place of the one that was asked; raise where none can be had."""
        before, self._nonce = self._nonce, (await self.backend.handshake()).nonce
        return before != self._nonce

    async def _answer(self, verb: Verb, watch: Watch | None) -> Answer:
        question = Question(id=uuid.uuid4().hex, client=self._client, verb=verb)
        answer = Answer(question.id)
        reading = asyncio.ensure_future(self._read(question, answer, watch))
        try:
            await asyncio.shield(reading)
        except asyncio.CancelledError:
            await self._stop(question, reading)
            raise
        return answer

    async def _read(self, question: Question, answer: Answer, watch: Watch | None) -> None:
        stream: AsyncIterator[Event] = self.backend.ask(question)
        if self.recorder is not None:
            stream = self.recorder.record(question, stream)
        async for event in stream:
            if answer.apply(event) and watch is not None:
                watch(answer)
        if answer.ended and self.recorder is None:
            with contextlib.suppress(InvestigatorError):
                await self.backend.acknowledge(question.id)

    async def _stop(self, question: Question, reading: asyncio.Future[None]) -> None:
        with contextlib.suppress(InvestigatorError, TimeoutError):
            await self.backend.cancel(question.id)
            await asyncio.wait_for(reading, PATIENCE)
        reading.cancel()

    async def aclose(self) -> None:
        """Store what is on its way, then give the lease back."""
        if self.recorder is not None:
            await self.recorder.aclose()
        await self.backend.aclose()


def checked(answer: Answer) -> Answer:
    """Return an answer that has a result; raise the error that stands in its place, Stopped where it was cancelled."""
    if answer.error is not None:
        raise from_wire(answer.error.kind, answer.error.message, answer.error.mend)
    if answer.cancelled is not None:
        raise Stopped("The question was stopped.", answer.cancelled.reason)
    if answer.result is None:
        raise Disconnected("The answer broke off.", "Ask again.")
    return answer
