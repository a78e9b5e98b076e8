"""Many clients that ask, leave, come back, supersede and cancel at random: every question ends once, in order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from server_tools import explain, question, running, until

from backends.client import SocketBackend
from backends.server import limits
from fake_engine import SOURCE, Gate
from investigator.wire import LAST, Cancelled, Event, Finished, Question, ShowFeatures


async def _ask_at_random(client: SocketBackend, dice: random.Random, name: str, seen: dict[str, list[Event]]) -> None:
    for turn in range(12):
        slot = dice.choice(["", "features", "labels"])
        verb = ShowFeatures(SOURCE) if dice.random() < 0.5 else explain(name, dice.randrange(1, 6)).verb
        asked = question(verb, client=name, slot=slot, priority=dice.randrange(3), id=f"{name}.{turn}")
        events: list[Event] = []
        if dice.random() < 0.3:
            await _leave_early(client, asked, events)
        if dice.random() < 0.2:
            await client.cancel(asked.id)
        events += [event async for event in client.ask(asked, start=len(events))]
        seen[asked.id] = events


async def _leave_early(client: SocketBackend, asked: Question, events: list[Event]) -> None:
    stream = client.ask(asked)
    events.append(await anext(stream))
    await stream.aclose()  # type: ignore[attr-defined]


async def test_every_question_ends_once_with_its_events_in_order(tmp_path: Path) -> None:
    gate, seen = Gate(), dict[str, list[Event]]()
    async with running(tmp_path / "s", gate) as (service, client), asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(_ask_at_random(client, random.Random(number), f"c{number}", seen))
    assert len(seen) == 96
    for events in seen.values():
        assert [event.n for event in events] == list(range(len(events)))
        assert [isinstance(event, LAST) for event in events] == [False] * (len(events) - 1) + [True]
        assert isinstance(events[-1], Finished | Cancelled)
    assert not service.questions.busy
    begun = sum(isinstance(events[-1], Finished) and len(events) > 2 for events in seen.values())
    assert len(gate.closed) >= begun, "every generator that was begun was closed"


async def test_no_more_questions_are_begun_than_the_bound_unless_one_is_urgent(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client), asyncio.TaskGroup() as group:
        asked = [explain(f"c{number}", 3, client=f"c{number}") for number in range(limits.STARTED + 3)]
        for each in asked:
            group.create_task(_drain(client, each))
        await until(lambda: len(service.scheduler._lanes["model"]._waiting) == len(asked) - 1)
        gate.allow(2 * limits.STARTED)
        await until(lambda: len(gate.order) == 2 * limits.STARTED)
        assert len(set(gate.order)) == limits.STARTED
        gate.allow(1000)
    assert sorted(gate.order) == sorted([f"c{number}" for number in range(limits.STARTED + 3)] * 3)


async def _drain(client: SocketBackend, asked: Question) -> None:
    async for _ in client.ask(asked):
        pass
