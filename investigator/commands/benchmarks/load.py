"""Load on a backend from another client: explanations, or full rankings, one after the other until stopped."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from backends.base import Backend
from backends.launch import connect
from investigator.settings import Settings
from investigator.sources import Residual, Source
from investigator.wire import Explain, Finished, Open, Question, RankLabels, Verb

PROMPT = "Several whales surfaced beside the old harbour in Lisbon, and the crew wrote to the ministry."
LOADS = ("explain", "labels")


async def answer(backend: Backend, verb: Verb, client: str) -> Finished:
    """Ask and return the last event; raise RuntimeError where it was no answer."""
    last = None
    async for event in backend.ask(Question(id=uuid.uuid4().hex, client=client, verb=verb)):
        last = event
    if not isinstance(last, Finished):
        raise RuntimeError(f"The benchmark's question ended with {last}.")
    return last


async def opened(backend: Backend, client: str, prompt: str = PROMPT) -> tuple[str, tuple[int, ...], int]:
    """Open the prompt; return subject, token ids and the default layer."""
    result = (await answer(backend, Open(prompt=prompt), client)).result
    summary = (await backend.handshake()).workbench
    assert summary is not None
    return result.subject, tuple(token.id for token in result.tokens), summary.subjects[0].layer  # type: ignore[union-attr]


def work(kind: str, source: Source, turn: int) -> Verb:
    """Return one long question of a kind; the turn changes the seed, so that nothing is answered from memory."""
    if kind == "explain":
        return Explain(source=source, seed=1000 + turn)
    return RankLabels(source=source, limit=50 + turn % 50)


async def keep_busy(backend: Backend, kind: str, stop: asyncio.Event) -> None:
    """Ask long questions at changing positions until told to stop."""
    subject, ids, layer = await opened(backend, "load")
    turn = 0
    while not stop.is_set():
        source = Residual(subject, ids, layer, 1 + turn % (len(ids) - 1))
        await answer(backend, work(kind, source, turn), "load")
        turn += 1


@contextmanager
def loaded(kind: str, workbench: str, settings: Settings) -> Iterator[None]:
    """Keep the local backend of a workbench busy from a thread of this process."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def drive() -> None:
        backend = await connect(workbench, settings)
        try:
            await backend.handshake(wait=True)
            busy = asyncio.create_task(keep_busy(backend, kind, stop))
            await stop.wait()
            busy.cancel()
        finally:
            await backend.aclose()

    thread = threading.Thread(target=loop.run_until_complete, args=(drive(),), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
