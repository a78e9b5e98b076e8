"""Leases, lingering and loading: whose work goes on, when the process ends, and what is said meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from server_tools import answer, explain, labels, question, raw, running, until

from backends.server import limits
from fake_engine import Gate
from investigator.errors import BadInput
from investigator.wire import CheckWorkbench, Lease


async def test_work_is_dropped_when_its_clients_lease_ends_and_no_sooner(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client), raw(client) as http:
        gone, stays = explain("gone", 50, client="gone"), explain("stays", 2, client="stays")
        for asked in (gone, stays):
            await http.post("/questions", content=msgspec.json.encode(asked))
        gate.allow(1)
        await until(lambda: gate.order)
        await http.post("/leases", content=msgspec.json.encode(Lease("gone", 0.05)))
        await until(lambda: "gone" not in service.leases.clients)
        gate.allow(50)
        await until(lambda: not service.questions.busy)
        assert gate.order.count("gone") <= 2
        assert gate.order.count("stays") == 2
        lines = (await http.get(f"/questions/{gone.id}/events")).content.splitlines()
        last = msgspec.json.decode(lines[-1])
        assert (last["event"], last["reason"]) == ("cancelled", "the client left")


async def test_a_clean_exit_ends_the_clients_work(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        task = asyncio.create_task(answer(client, explain(samples=50)))
        await until(lambda: service.questions.busy)
        async with raw(client) as http:
            assert (await http.delete("/leases/me")).status_code == 204
            assert (await http.delete("/leases/me")).status_code == 204
        gate.allow(50)
        assert (await task).cancelled is not None
        assert len(gate.order) <= 1


async def test_the_client_renews_its_lease(tmp_path: Path) -> None:
    async with running(tmp_path / "s", lease=0.3) as (service, client):
        client._lease = 0.3
        await client.keep_lease()
        for _ in range(20):
            assert service.leases.clients == ("me",)
            await asyncio.sleep(0.03)
        await client.aclose()
        assert service.leases.clients == ()


async def test_it_leaves_after_lingering_but_not_while_somebody_is_here(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate, linger=0.1) as (service, client):
        task = asyncio.create_task(answer(client, explain(samples=1)))
        await until(lambda: service.questions.busy)
        await asyncio.sleep(0.3)
        assert not service.closing.is_set()
        gate.allow(1)
        await task
        await asyncio.sleep(0.2)
        assert not service.closing.is_set(), "the client still holds its lease"
        await client.aclose()
        await asyncio.wait_for(service.closing.wait(), 20)


async def test_it_leaves_where_nobody_ever_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STARTUP_GRACE", 0.05)
    async with running(tmp_path / "s", linger=0.05) as (service, _):
        await asyncio.wait_for(service.closing.wait(), 20)


async def test_shutdown_is_refused_while_it_is_used_unless_forced(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        await client.keep_lease()
        with pytest.raises(BadInput, match="in use: 1 clients"):
            await client.shut_down()
        assert not service.closing.is_set()
        await client.shut_down(force=True)
        assert service.closing.is_set()


async def test_questions_wait_while_the_engine_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAIT", 0.05)
    folder = tmp_path / "s"
    folder.mkdir(mode=0o700)
    (folder / "slow.toml").touch()
    async with running(folder, workbench="slow.toml") as (service, client):
        assert (await client.handshake()).state == "loading"
        waiting, dropped = labels(), labels()
        tasks = [asyncio.create_task(answer(client, asked)) for asked in (waiting, dropped)]
        await until(lambda: len(service.questions.running()) == 2)
        await client.cancel(dropped.id)
        assert (await tasks[1]).cancelled is not None
        ready = asyncio.create_task(client.handshake(wait=True))
        await asyncio.sleep(0.12)
        assert not ready.done()
        (folder / "slow.toml").unlink()
        hands = await ready
        assert (hands.state, hands.device, hands.dtype) == ("ready", "cpu", "float32")
        assert hands.workbench is not None
        assert hands.workbench.name == "slow"
        assert (await tasks[0]).result is not None


@pytest.mark.parametrize(
    ("name", "sentence"), [("broken.toml", "The weights are cut short."), ("crashing.toml", "ValueError: unforeseen")]
)
async def test_a_bench_that_does_not_load_says_why_and_only_the_doctor_answers(
    tmp_path: Path, name: str, sentence: str
) -> None:
    async with running(tmp_path / "s", workbench=name) as (_, client):
        hands = await client.handshake(wait=True)
        assert hands.state == "failed"
        assert sentence in hands.message
        for _ in range(2):
            failed = await answer(client, labels())
            assert failed.error is not None
            assert failed.error.kind == "workbench"
            assert sentence in failed.error.message
        assert (await answer(client, question(CheckWorkbench()))).result is not None
        assert (await client.status()).handshake.state == "failed"


async def test_a_lease_has_a_length(tmp_path: Path) -> None:
    async with running(tmp_path / "s") as (_, client):
        client._lease = limits.LONGEST_LEASE * 2
        with pytest.raises(BadInput, match="A lease lasts"):
            await client.keep_lease()
