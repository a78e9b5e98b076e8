"""The real engine behind the real socket: every verb answers, alone or beside others, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from server_tools import answer, question, running

import tiny
from backends.client import SocketBackend
from backends.engine.engine import WorkbenchEngine
from investigator import wire
from investigator.events import Answer
from investigator.records import Explanations, Features, Labels, Opened
from investigator.sources import Residual
from investigator.wire import CheckWorkbench, Explain, Open, RankLabels, ShowFeature, ShowFeatures, ShowLens, Verb

PROMPT = "The capital of France is Paris"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    yield tiny.make_workbench(tmp_path_factory.mktemp("bench")).file
    torch.set_num_threads(threads)


async def ask(client: SocketBackend, verb: Verb, name: str = "me") -> Answer:
    found = await answer(client, question(verb, client=name))
    assert found.error is None, found.error
    return found


async def place(client: SocketBackend) -> Residual:
    opened = (await ask(client, Open(PROMPT))).result
    assert isinstance(opened, Opened)
    return Residual("tiny", tuple(token.id for token in opened.tokens), tiny.LAYER, -1)


async def test_every_verb_answers_and_says_with_what(tmp_path: Path, bench: Path) -> None:
    async with running(tmp_path / "s", make=lambda: WorkbenchEngine(bench)) as (_, client):
        hands = await client.handshake(wait=True)
        assert hands.state == "ready", hands.message
        source = await place(client)
        verbs: list[Verb] = [
            ShowFeatures(source),
            ShowFeature(1),
            RankLabels(source),
            Explain(source, samples=4, max_tokens=4),
            wire.Test(("a capital",), (source,)),
            ShowLens(source),
            CheckWorkbench(),
        ]
        for verb in verbs:
            found = await ask(client, verb)
            assert found.provenance is not None
            assert found.provenance.device == "cpu"
            assert found.result is not None


async def test_answers_beside_others_equal_answers_alone(tmp_path: Path, bench: Path) -> None:
    async with running(tmp_path / "s", make=lambda: WorkbenchEngine(bench)) as (_, client):
        source = await place(client)
        verbs: list[Verb] = [Explain(source, samples=6, max_tokens=6, seed=seed) for seed in (1, 2)]
        verbs += [RankLabels(source), ShowFeatures(source)]
        alone = [(await ask(client, verb)).result for verb in verbs]
        beside = await asyncio.gather(*(ask(client, verb, f"c{number}") for number, verb in enumerate(verbs * 2)))
        assert [found.result for found in beside] == alone * 2
        first, second, ranked, active = alone
        assert isinstance(first, Explanations)
        assert first != second
        assert isinstance(ranked, Labels)
        assert isinstance(active, Features)


async def test_a_question_about_what_is_no_longer_captured_is_answered_alike(tmp_path: Path, bench: Path) -> None:
    async with running(tmp_path / "first", make=lambda: WorkbenchEngine(bench)) as (_, client):
        source = await place(client)
        before = (await ask(client, ShowFeatures(source))).result
    async with running(tmp_path / "second", make=lambda: WorkbenchEngine(bench)) as (_, client):
        assert (await ask(client, ShowFeatures(source))).result == before
