"""Questions over a real socket: asked once, replayed from any number, cancelled, superseded, refused, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest
from server_tools import answer, explain, labels, question, raw, running, until

from backends.server import limits
from fake_engine import SOURCE, Gate
from investigator.errors import BadInput
from investigator.wire import CheckWorkbench, Event, Open, Progress, Question, ShowFeatures


async def test_events_are_numbered_replayed_from_any_number_and_the_same_each_time(tmp_path: Path) -> None:
    async with running(tmp_path / "s") as (_, client):
        asked = explain(samples=4)
        events = [event async for event in client.ask(asked)]
        assert [event.n for event in events] == list(range(6))
        assert [type(event).__name__ for event in events] == ["Accepted", *["Progress"] * 4, "Finished"]
        for start in range(7):
            assert [event async for event in client.ask(asked, start=start)] == events[start:]
        async with raw(client) as http:
            lines = (await http.get(f"/questions/{asked.id}/events?from=4")).content.splitlines()
        assert [msgspec.json.decode(line, type=Event) for line in lines] == events[4:]


async def test_asking_an_id_again_is_asking_once(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path / "s", gate) as (_, client), raw(client) as http:
        asked = explain(samples=3)
        answers = await asyncio.gather(*(answer(client, asked) for _ in range(5)))
        assert gate.order == ["explain"] * 3
        assert len({id(found.result) for found in answers}) == 5
        other = msgspec.structs.replace(asked, verb=CheckWorkbench())
        refused = await http.post("/questions", content=msgspec.json.encode(other))
        assert refused.status_code == 409
        assert "belongs to another question" in refused.json()["message"]


async def test_a_follower_that_comes_late_or_leaves_changes_nothing(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (_, client):
        asked = explain(samples=3)
        stream = client.ask(asked)
        gate.allow(1)
        first = [await anext(stream), await anext(stream)]
        await stream.aclose()  # type: ignore[attr-defined]
        gate.allow(2)
        await until(lambda: gate.closed)
        rest = [event async for event in client.ask(asked, start=2)]
        assert [event.n for event in [*first, *rest]] == [0, 1, 2, 3, 4]


async def test_cancel_stops_within_one_step(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (_, client):
        asked = explain(samples=100)
        stream = client.ask(asked)
        gate.allow(2)
        for _ in range(3):
            await anext(stream)
        await client.cancel(asked.id)
        gate.allow(100)
        assert type(event := [event async for event in stream][-1]).__name__ == "Cancelled", event
        assert len(gate.order) <= 3
        assert gate.closed == ["explain"]
        await client.cancel(asked.id)
        await client.cancel("never-asked")


async def test_a_queued_question_is_cancelled_without_a_step(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        busy, waiting = explain("busy", 2), explain("waiting", 2)
        first = asyncio.create_task(answer(client, busy))
        second = asyncio.create_task(answer(client, waiting))
        await until(lambda: len(service.questions.running()) == 2)
        await client.cancel(waiting.id)
        assert (await second).cancelled is not None
        gate.allow(2)
        assert (await first).result is not None
        assert gate.order == ["busy", "busy"]


async def test_a_newer_question_in_the_slot_supersedes_the_older_of_the_same_client_only(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        older, newer = explain("older", 50, slot="labels"), explain("newer", 1, slot="labels")
        other = explain("other", 1, slot="labels", client="you")
        tasks = [asyncio.create_task(answer(client, older)), asyncio.create_task(answer(client, other))]
        gate.allow(1)
        await until(lambda: gate.order)
        tasks.append(asyncio.create_task(answer(client, newer)))
        await until(lambda: newer.id in [each.id for each in service.questions.running()])
        gate.allow(60)
        found = await asyncio.gather(*tasks)
        assert found[0].cancelled is not None
        assert "superseded" in found[0].cancelled.reason
        assert found[1].result is not None
        assert found[2].result is not None
        assert gate.order.count("older") <= 2


async def test_failures_are_sentences_and_the_backend_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path / "s") as (_, client):
        empty = (await answer(client, question(Open("")))).error
        assert empty is not None
        assert (empty.kind, empty.message, empty.n) == ("bad-input", "The prompt is empty.", 0)
        raised = (await answer(client, labels("raises"))).error
        assert raised is not None
        assert "`labels`" in raised.message
        assert "the log" in raised.mend
        assert "Traceback" not in raised.message + raised.mend
        assert "a tensor of the wrong shape" in caplog.text
        unending = (await answer(client, labels("unending"))).error
        memory = (await answer(client, labels("memory"))).error
        assert unending is not None
        assert memory is not None
        assert "without a result" in unending.message
        assert "memory" in memory.message
        assert (await answer(client, labels())).result is not None


@pytest.mark.parametrize("trouble", ["nan", "inf", "partial nan"])
async def test_a_number_that_is_not_finite_is_an_error_never_null(tmp_path: Path, trouble: str) -> None:
    async with running(tmp_path / "s") as (_, client):
        found = await answer(client, labels(trouble))
        assert found.error is not None
        assert found.error.kind == "score"
        assert "score" in found.error.message
        assert found.result is None
        assert not found.rows


async def test_malformed_requests_get_a_sentence(tmp_path: Path) -> None:
    good = msgspec.json.encode(labels())
    bodies = {
        b"": "cannot be read",
        b"{": "cannot be read",
        b"\xff\xfe": "cannot be read",
        b"[" * 100_000: "cannot be read",
        b'{"id": NaN}': "cannot be read",
        good.replace(b'"labels"', b'"dance"'): "There is no verb 'dance'",
        good.replace(b'"limit":50', b'"limit":"many"'): "cannot be read",
        good.replace(b'"protocol":1', b'"protocol":9'): "protocol 9",
        good.replace(b'"id":"', b'"id":"../'): "not a name",
        good.replace(b'"client":"me"', b'"client":""'): "not a name",
        msgspec.json.encode(question(Open("x" * (limits.PROMPT_CHARACTERS + 1)))): "characters",
    }
    async with running(tmp_path / "s") as (_, client), raw(client) as http:
        for body, sentence in bodies.items():
            answered = await http.post("/questions?from=0", content=body)
            assert answered.status_code == 400, body[:80]
            assert sentence in answered.json()["message"], answered.json()
        large = await http.post("/questions", content=b"x" * (limits.REQUEST_BYTES + 1))
        assert large.status_code == 413
        assert (await http.post("/leases", content=b'{"client":"a","seconds":-1}')).status_code == 400
        assert (await http.get("/questions/nothing/events")).status_code == 404
        assert (await http.get("/questions/nothing/events?from=x")).status_code == 400
        assert (await http.get("/elsewhere")).json()["message"] == "There is no route GET /elsewhere."
        assert (await http.delete("/handshake")).status_code == 405
        unknown_field = good.replace(b'"limit":50', b'"limit":50,"later":[1]').replace(b'"id":"q', b'"id":"later-q')
        assert (await http.post("/questions?from=0", content=unknown_field)).status_code == 200
        with pytest.raises(BadInput, match="not a name"):
            await answer(client, labels(id="a b"))


async def test_a_client_may_have_so_many_questions_and_no_more(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client), raw(client) as http:
        asked = [explain(str(number), 1) for number in range(limits.QUESTIONS_PER_CLIENT)]
        for each in asked:
            assert (await http.post("/questions", content=msgspec.json.encode(each))).status_code == 202
        with pytest.raises(BadInput, match="have not ended"):
            await answer(client, explain("one more"))
        assert (await http.post("/questions", content=msgspec.json.encode(asked[0]))).status_code == 202
        assert (await http.post("/questions", content=msgspec.json.encode(explain(client="you")))).status_code == 202
        gate.allow(1000)
        await until(lambda: not service.questions.busy)


async def test_answers_are_kept_until_acknowledged_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEPT_QUESTIONS", 3)
    async with running(tmp_path / "s") as (service, client), raw(client) as http:
        asked = [labels() for _ in range(5)]
        for each in asked:
            await answer(client, each)
        statuses = [(await http.get(f"/questions/{each.id}/events")).status_code for each in asked]
        assert statuses == [404, 404, 200, 200, 200]
        await client.acknowledge(asked[3].id)
        await client.acknowledge(asked[3].id)
        assert [each.id for each in (await client.status()).questions] == [asked[2].id, asked[4].id]
        monkeypatch.setattr(limits, "KEPT_BYTES", 1)
        last = labels()
        await answer(client, last)
        assert [each.id for each in service.questions.running()] == [last.id]


async def test_a_running_question_cannot_be_acknowledged(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        asked = explain()
        task = asyncio.create_task(answer(client, asked))
        await until(lambda: service.questions.running())
        with pytest.raises(BadInput, match="has not ended"):
            await client.acknowledge(asked.id)
        gate.allow(3)
        assert (await task).result is not None


async def test_a_question_beyond_its_bytes_loses_rows_but_never_its_first_and_last_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUESTION_BYTES", 50_000)
    async with running(tmp_path / "s") as (_, client):
        asked = labels("large")
        assert (await answer(client, asked)).result is not None
        numbers = [event.n async for event in client.ask(asked)]
        assert (numbers[0], numbers[-1]) == (0, 51)
        assert len(numbers) < 10
        assert numbers == sorted(numbers)


async def test_fast_questions_are_answered_while_the_model_lane_stands_still(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        busy = asyncio.create_task(answer(client, explain(samples=1)))
        await until(lambda: [each.state for each in service.questions.running()] == ["running"])
        for _ in range(5):
            assert (await answer(client, question(ShowFeatures(SOURCE)))).result is not None
        bad = await answer(client, question(Open("")))
        assert bad.error is not None
        assert not busy.done()
        gate.allow(1)
        assert (await busy).result is not None


async def test_priority_comes_first_then_twenty_clients_in_turn(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client), contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(raw(client))
        names = [f"c{number}" for number in range(20)]
        for round_ in range(3):
            for name in names:
                asked = explain(name, 2, client=name, id=f"{name}.{round_}")
                assert (await http.post("/questions", content=msgspec.json.encode(asked))).status_code == 202
        urgent = explain("urgent", 2, client="c0", priority=5)
        task = asyncio.create_task(answer(client, urgent))
        # All but the one that stands in its first step wait in the model lane.
        await until(lambda: len(service.scheduler._lanes["model"]._waiting) == 60)
        gate.allow(3)
        assert (await task).result is not None
        gate.allow(200)
        await until(lambda: len(gate.order) == 122)
        assert gate.order[1:3] == ["urgent", "urgent"]
        rest = [name for name in gate.order if name != "urgent"]
        first_seen = [rest.index(name) for name in names]
        assert max(first_seen) < 40, "every client begins before any has had its second question"
        for upto in range(40, 121, 40):
            counts = [rest[:upto].count(name) for name in names]
            assert max(counts) - min(counts) <= 2


async def test_status_says_what_is_going_on(tmp_path: Path) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path / "s", gate) as (service, client):
        asked = explain(samples=1)
        task = asyncio.create_task(answer(client, asked))
        await until(lambda: [each.state for each in service.questions.running()] == ["running"])
        status = await client.status()
        assert [(each.id, each.verb, each.state) for each in status.questions] == [(asked.id, "explain", "running")]
        assert status.clients == ("me",)
        assert status.idle_seconds == 0
        gate.allow(1)
        await task


def test_progress_has_no_null() -> None:
    """The fast look for NaN rests on this: an event without optional fields encodes without null."""
    assert b"null" not in msgspec.json.encode(Progress(1, 2))
    assert Question("a", "b", CheckWorkbench()).protocol == 1
