"""Many clients on one backend, each served alike; and two thousand questions that must leave no memory behind."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import mean
from typing import TYPE_CHECKING

from investigator.commands.faults.ground import Ground, answered, asked, local, tokens_of, verbs
from investigator.records import Figure
from investigator.sources import Residual
from investigator.wire import Explain, RankLabels, ShowFeatures, Verb

if TYPE_CHECKING:
    from backends.base import Backend

_EACH = 3
"""Answers that every client of the crowd waits for."""


async def measure(at: Ground) -> list[Figure]:
    """Return `clients_held` with the slowest one's share, and `soak_growth`."""
    return [*await _crowd(at), *await _soak(at)]


async def _crowd(at: Ground) -> list[Figure]:
    at.note(f"{at.counts.clients} clients at once")
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(local(at)) for _ in range(at.counts.clients)]
        subject, ids, layer = await tokens_of(clients[0])
        source = Residual(subject, ids, layer, -1)
        waits = await asyncio.gather(*(_stream(client, source, seed) for seed, client in enumerate(clients)))
    held = sum(wait is not None for wait in waits)
    seconds = [wait for wait in waits if wait is not None]
    share = max(seconds) / mean(seconds) if seconds else None
    beside = "one backend, streaming at once; a fair share is the mean wait"
    return [
        Figure("clients_held", float(held), "clients", "16", compared_with=beside),
        Figure("clients_slowest_over_fair", share, "ratio", "<= 1.5", compared_with=beside),
    ]


async def _stream(client: Backend, source: Residual, seed: int) -> float | None:
    start = time.perf_counter()
    for turn in range(_EACH):
        verb = Explain(source, samples=10, max_tokens=12, keep=2, controls=False, seed=100 * seed + turn)
        if (await answered(client, asked(verb))).result is None:
            return None
    return time.perf_counter() - start


async def _soak(at: Ground) -> list[Figure]:
    """Memory of the backend and of this client, which records as the app does, at the end over at a tenth."""
    from backends.server.memory import resident_bytes
    from sessions import Recorder, open_store

    store = open_store(at.home / "soak.db")
    recorder = Recorder(store, store.session("soak"))
    before: tuple[int, int] = (0, 0)
    async with local(at) as backend:
        subject, ids, layer = await tokens_of(backend)
        for turn in range(at.counts.soak):
            if turn % 100 == 0:
                at.note(f"soaking: {turn} of {at.counts.soak} questions")
            question = asked(_soaking(subject, ids, layer, turn))
            async for _ in recorder.record(question, backend.ask(question)):
                pass
            await backend.acknowledge(question.id)
            if turn == at.counts.soak // 10:
                before = (await backend.status()).memory_bytes, resident_bytes()
        after = (await backend.status()).memory_bytes, resident_bytes()
    await recorder.aclose()
    store.close()
    names = ("backend", "client")
    ratios = {name: late / max(early, 1) for name, late, early in zip(names, after, before, strict=True)}
    beside = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items()) + " over a tenth of the way"
    return [Figure("soak_growth", max(ratios.values()), "ratio", "<= 1.05", compared_with=beside)]


def _soaking(subject: str, ids: tuple[int, ...], layer: int, turn: int) -> Verb:
    position = 1 + turn % (len(ids) - 1)
    if turn % 50 == 49:
        return RankLabels(Residual(subject, ids, layer, position), controls=False)
    if turn % 10 == 9:
        return verbs(subject, ids, layer, position)["test"]
    return ShowFeatures(Residual(subject, ids, layer, position))
