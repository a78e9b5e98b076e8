"""The journal: one question's numbered events, kept encoded, replayed and followed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from backends.server import limits
from backends.worklog import Keeper
from investigator.wire import Question, Running


class Journal:
    """One question's events; only the event loop touches it."""

    def __init__(self, question: Question, verb: str, keeper: Keeper | None = None) -> None:
        self.question = question
        self.file: Path | None = None
        """What goes with the answer; it is deleted when the journal is dropped."""
        self._keeper = keeper
        self.ended = False
        """Whether the last event is here."""
        self.bytes = 0
        self.count = 0
        """Number of events so far; the next one's number."""
        self._verb = verb
        self._lines: deque[tuple[int, bytes]] = deque()
        self._grown = asyncio.Event()

    def append(self, n: int, line: bytes, last: bool) -> None:
        """Add one event and wake whoever follows."""
        self._lines.append((n, line))
        self.bytes += len(line)
        self.count = n + 1
        self.ended = last
        if self._keeper is not None:
            self._keeper.write(line, last)
        if self.bytes > limits.QUESTION_BYTES and len(self._lines) > 2:
            self._shorten()
        self.wake()

    def drop(self) -> None:
        """Delete what lies on disk for this question."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _shorten(self) -> None:
        accepted, newest = self._lines.popleft(), self._lines.pop()
        while self._lines and self.bytes > limits.QUESTION_BYTES:
            self.bytes -= len(self._lines.popleft()[1])
        self._lines.appendleft(accepted)
        self._lines.append(newest)

    def wake(self) -> None:
        """Let followers look again."""
        self._grown.set()
        self._grown = asyncio.Event()

    def since(self, start: int) -> bytes:
        """Return the lines of the events numbered `start` and above."""
        return b"".join(line for n, line in self._lines if n >= start)

    async def follow(self, start: int) -> AsyncIterator[bytes]:
        """Replay from number `start`, then follow to the last event; a blank line now and then when nothing happens."""
        while True:
            grown, at, ended = self._grown, self.count, self.ended
            if chunk := self.since(start):
                yield chunk
            start = max(start, at)
            if ended:
                return
            if at == self.count and not self.ended:
                try:
                    await asyncio.wait_for(grown.wait(), limits.HEARTBEAT)
                except TimeoutError:
                    yield b"\n"

    def running(self, begun: bool) -> Running:
        """Return the question as the status route shows it."""
        state: Literal["queued", "running", "ended"] = "ended" if self.ended else "running" if begun else "queued"
        return Running(self.question.id, self.question.client, self._verb, state, self.count)
