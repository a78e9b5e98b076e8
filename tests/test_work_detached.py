"""Detached work: it outlives its client, keeps its backend, is remembered on disk, and can be watched and ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from server_tools import answer, explain, raw, running, until

from backends import worklog
from backends.server.limits import STARTUP_GRACE
from fake_engine import Gate
from investigator import paths
from investigator.cli import main
from investigator.commands.far_work import without
from investigator.commands.work import new_id
from investigator.errors import BadInput
from investigator.wire import Event, Lease, Progress, Verb, Work


def _detached(id: str, samples: int = 3, client: str = "me") -> object:
    return msgspec.structs.replace(explain("work", samples, id=id, client=client), detached=True)


async def test_it_goes_on_without_its_client_and_its_backend_waits_for_it(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate, linger=0.05) as (service, client), raw(client) as http:
        await http.post("/leases", content=msgspec.json.encode(Lease("me", 0.05)))
        await http.post("/questions", content=msgspec.json.encode(_detached("work-1", 4)))
        gate.allow(1)
        await until(lambda: gate.order)
        await until(lambda: not service.leases.clients)
        await asyncio.sleep(0.2)
        assert service.questions.busy and not service.closing.is_set()
        assert (await http.post("/shutdown")).status_code == 409
        gate.allow(9)
        await until(service.closing.is_set, patience=STARTUP_GRACE + 10)
    (known,) = worklog.works()
    assert (known.begun.question.id, known.state) == ("work-1", "done")
    assert [event.n for event in worklog.events("work-1", 2)] == [2, 3, 4, 5]


async def test_it_can_be_cancelled_and_an_undetached_one_still_goes_with_its_client(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client), raw(client) as http:
        await http.post("/questions", content=msgspec.json.encode(_detached("work-2", 50)))
        await http.post("/questions", content=msgspec.json.encode(explain("bound", 50, id="bound")))
        await http.delete("/leases/me")
        gate.allow(200)
        await until(lambda: len(service.questions.running()) == 2 and "bound" not in _open(service))
        gate.hold = False
        await client.cancel("work-2")
        await until(lambda: not service.questions.busy)
    assert worklog.find("work-2").state in ("cancelled", "done")
    with pytest.raises(BadInput, match="There is no work called 'bound'"):
        worklog.find("bound")


def _open(service: object) -> set[str]:
    questions = service.questions.running()  # type: ignore[attr-defined]
    return {question.id for question in questions if question.state != "ended"}


@pytest.fixture
def left_behind(own_home: Path) -> Iterator[str]:
    """A work whose backend was killed."""
    id = new_id("train mapper")
    keeper = worklog.Keeper(worklog.Begun(msgspec.structs.replace(explain(), id=id), "/x/s.sock", "gone", "2026-01-01"))
    keeper.write(b'{"event": "progress", "done": 3, "total": 9, "message": "training", "n": 0}\n', False)
    keeper.write(b'{"event": "progress", "do', False)
    yield id


def test_work_whose_backend_was_killed_is_said_to_have_broken_off(
    left_behind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = worklog.find("train-mapper")
    assert known.state == "broke off" and known.progress == Progress(3, 9, "training", 0)
    assert main(["work", "--json"]) == 0
    (work,) = json.loads(capsys.readouterr().out)["works"]
    assert (work["id"], work["state"]) == (left_behind, "broke off")
    assert main(["work", "attach", left_behind[-8:]]) == 5
    assert "Give its command again" in capsys.readouterr().err
    assert main(["work", "cancel", left_behind]) == 2
    assert main(["work", "attach"]) == 2
    assert main(["work"]) == 0


def test_only_the_newest_works_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklog, "KEPT", 3)
    for number in range(6):
        question = msgspec.structs.replace(explain(), id=f"work-{number}")
        worklog.Keeper(worklog.Begun(question, "/x/s.sock", "gone", f"2026-01-0{number + 1}"))
    assert len(worklog.works()) <= 4
    assert worklog.works()[0].begun.question.id == "work-5"


def test_a_real_child_does_the_work_and_its_events_are_on_disk(tmp_path: Path) -> None:
    def child(_verb: Verb) -> Iterator[Event | None]:
        yield Progress(1, 2, "half")
        raise MemoryError

    async def scenario() -> None:
        async with running(tmp_path / "s", child=child) as (_, client):
            verb = Work("train mapper")
            asked = msgspec.structs.replace(explain(), id="work-3", verb=verb, detached=True)
            assert (await answer(client, asked)).error is not None

    asyncio.run(scenario())
    assert worklog.find("work-3").state == "failed"
    assert (paths.log_folder() / "work").stat().st_mode & 0o077 == 0


def test_the_words_that_were_typed_are_sent_without_those_for_this_machine() -> None:
    given = ["--on=a", "train", "mapper", "--on", "gpu1", "--out", "--on-time", "--detach", "--json"]
    kept = without(given, flags=("--detach", "--json"), valued=("--on",))
    assert kept == ["train", "mapper", "--out", "--on-time"]
