"""Backends killed with -9 at random moments of every verb: what was answered is stored, and asking again answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from investigator.commands.faults.ground import Ground, answered, asked, local, tokens_of, verbs
from investigator.errors import InvestigatorError
from investigator.events import Answer
from investigator.records import Figure
from investigator.wire import Question, Verb

if TYPE_CHECKING:
    from backends.base import Backend
    from sessions import Recorder

_TRIES = 6
"""How often a question that the kills interrupt is asked again."""


async def measure(at: Ground) -> list[Figure]:
    """Return `backend_kills`: kills after which the same question got the same answer."""
    from sessions import Recorder, open_store

    store = open_store(at.home / "kills.db")
    recorder = Recorder(store, store.session("kills"))
    chance, survived, kept = at.random("kills"), 0, set[str]()
    async with local(at) as backend:
        subject, ids, layer = await tokens_of(backend)
        several = verbs(subject, ids, layer, len(ids) - 1)
        usual = {name: await _timed(backend, verb) for name, verb in several.items()}
        for number in range(at.counts.backend_kills):
            name = list(several)[number % len(several)]
            at.note(f"killing the backend: {number + 1} of {at.counts.backend_kills}, during {name}")
            seconds, whole = usual[name]
            killing = asyncio.create_task(_kill(backend, chance.uniform(0, 1.3 * seconds)))
            cut = await _asked_until_answered(backend, recorder, several[name], kept)
            await killing
            same = cut.result is not None and cut.result == whole.result
            survived += same
            if not same:
                at.note(f"{name} was not answered as before: {_difference(cut, whole)}")
    await recorder.aclose()
    stored = {saved.id for saved in store.answers(limit=10_000)}
    at.tally.answers_lost += len(kept - stored)
    store.close()
    return [Figure("backend_kills", float(survived), "kills", ">= 50", compared_with="the same answers undisturbed")]


def _difference(cut: Answer, whole: Answer) -> str:
    if cut.result is None or whole.result is None:
        return f"{cut.error or cut.cancelled or 'no result'}"
    names = cut.result.__struct_fields__
    return ", ".join(name for name in names if getattr(cut.result, name) != getattr(whole.result, name, None))


async def _timed(backend: Backend, verb: Verb) -> tuple[float, Answer]:
    await answered(backend, asked(verb))
    start = time.perf_counter()
    answer = await answered(backend, asked(verb))
    return time.perf_counter() - start, answer


async def _kill(backend: Backend, delay: float) -> None:
    pid = (await backend.handshake()).pid
    await asyncio.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def _asked_until_answered(backend: Backend, recorder: Recorder, verb: Verb, kept: set[str]) -> Answer:
    """Ask as the app does: where the backend dies under the question, ask again."""
    for _ in range(_TRIES):
        question: Question = asked(verb)
        answer = Answer(question.id)
        with contextlib.suppress(InvestigatorError):
            async for event in recorder.record(question, backend.ask(question)):
                answer.apply(event)
        if answer.result is not None:
            kept.add(question.id)
            return answer
        await asyncio.sleep(0.05)
    return answer
