"""The page of the protocol: its examples are sent over a real socket, its records are the code's, its bounds hold."""

from __future__ import annotations

import asyncio
import json
import re
import typing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from server_tools import explain, raw, running, until

from backends.server import limits
from backends.server.contract import document
from fake_engine import Gate
from investigator import records_page, wire
from investigator.errors import KINDS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
ANYTHING = "..."


class Example(NamedTuple):
    """One exchange on the page."""

    method: str
    path: str
    body: str
    status: int
    lines: list[Any]


def examples() -> list[Example]:
    found = []
    for block in re.findall(r"```http\n(.*?)```", PAGE, re.DOTALL):
        asked, told = block.split("\n\n", 1)
        first, _, body = asked.partition("\n")
        method, path = first.split()
        status, *lines = told.strip().splitlines()
        found.append(Example(method, path, body, int(status), [json.loads(line) for line in lines]))
    return found


def fits(said: Any, told: Any) -> bool:
    """Whether an answer holds what the page says of it."""
    if said == ANYTHING:
        return told is not None and told != ""
    if isinstance(said, dict):
        return isinstance(told, dict) and all(name in told and fits(value, told[name]) for name, value in said.items())
    if isinstance(said, list):
        return isinstance(told, list) and len(said) == len(told) and all(map(fits, said, told))
    return bool(said == told)


async def test_every_example_on_the_page_is_answered_as_the_page_says(tmp_path: Path) -> None:
    several = examples()
    assert len(several) >= 25
    async with running(tmp_path, linger=600.0) as (_, client), raw(client) as http:
        for one in several:
            response = await http.request(one.method, one.path, content=one.body)
            assert response.status_code == one.status, (one, response.text)
            told = [json.loads(line) for line in response.text.splitlines() if line]
            assert len(told) == len(one.lines) if one.lines else not told, (one, told)
            assert all(map(fits, one.lines, told)), (one, told)


def test_the_examples_use_every_route_event_and_status() -> None:
    several = examples()
    for path, methods in document()["paths"].items():
        form = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"(\?.*)?$")
        for method in methods:
            assert any(one.method == method.upper() and form.match(one.path) for one in several), (method, path)
    events = {line.get("event") for one in several for line in one.lines if isinstance(line, dict)}
    assert {"accepted", "progress", "result", "error"} <= events
    statuses = set(re.findall(r"^\| (\d+) \|", PAGE.split("## Errors", 1)[1], re.MULTILINE))
    assert {str(one.status) for one in several if one.status >= 400} <= statuses
    assert statuses - {str(one.status) for one in several} == {"413", "429", "500"}, "tested below and in the contract"


def test_every_kind_of_error_and_every_event_stands_on_the_page() -> None:
    table = PAGE.split("| `kind` |", 1)[1].split("\n\n", 1)[0]
    for kind, error in KINDS.items():
        line = next(line for line in table.splitlines() if f"`{kind}`" in line)
        assert line.rstrip(" |").endswith(f"| {error.exit_code}"), kind
    for event in typing.get_args(wire.Event):
        assert f"| `{event.__struct_config__.tag}` |" in PAGE


def test_the_page_of_records_is_what_the_records_say() -> None:
    written = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    assert written == records_page.page(), "python -m investigator.records_page docs/records.md"
    for link in re.findall(r"\]\(#([\w-]+)\)", written):
        heads = re.findall(r"^### (.+)$", written, re.MULTILINE)
        assert link in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, link


# -- bounds ----------------------------------------------------------------------------------------------------------


def bounds() -> str:
    return PAGE.split("## Bounds", 1)[1].split("\n## ", 1)[0]


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    for number in (
        limits.PROMPT_CHARACTERS, limits.QUESTIONS_PER_CLIENT, limits.QUESTIONS, limits.KEPT_QUESTIONS,
        limits.REQUEST_BYTES // 2**20, limits.KEPT_BYTES // 2**20,
    ):  # fmt: skip
        assert re.search(rf"\b{number:,}\b", bounds()), number


async def test_a_request_a_prompt_and_a_queue_that_are_too_long_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(hold=True)
    async with running(tmp_path, gate) as (service, client), raw(client) as http:
        large = await http.post("/questions", content=b" " * (limits.REQUEST_BYTES + 1))
        assert large.status_code == 413 and str(limits.REQUEST_BYTES) in large.json()["message"]
        long = wire.Question("long", "me", wire.Open("x" * (limits.PROMPT_CHARACTERS + 1)))
        response = await http.post("/questions", content=msgspec.json.encode(long))
        assert response.status_code == 400 and "200000 are the most" in response.json()["message"]
        for _ in range(limits.QUESTIONS_PER_CLIENT):
            assert (await _ask(http, explain())).status_code == 202
        assert (await _ask(http, explain())).status_code == 429
        assert (await _ask(http, explain(client="other"))).status_code == 202, "others are not held up"
        monkeypatch.setattr(limits, "QUESTIONS", limits.QUESTIONS_PER_CLIENT + 1)
        refused = await _ask(http, explain(client="third"))
        assert refused.status_code == 429 and "of all clients" in refused.json()["message"]
        for name in ("me", "other"):
            await http.delete(f"/leases/{name}")
        gate.allow(10_000)
        await until(lambda: service.idle)


async def _ask(http: httpx.AsyncClient, question: wire.Question) -> httpx.Response:
    return await http.post("/questions", content=msgspec.json.encode(question))


async def test_many_clients_take_turns_each_with_its_own_cancel(tmp_path: Path) -> None:
    """Round robin by client: one that asks ten things does not hold up those that ask one."""
    gate = Gate(hold=True)
    async with running(tmp_path, gate) as (service, client), raw(client) as http:
        for number in range(10):
            await _ask(http, explain(f"greedy-{number}", samples=2, client="greedy"))
        for name in "abc":
            await _ask(http, explain(name, samples=2, client=name))
        await until(lambda: len(service.scheduler._lanes["model"]._waiting) == 12)
        gate.allow(8)
        await until(lambda: len(gate.order) == 8)
        first = [label.partition("-")[0] for label in gate.order]
        assert {"a", "b", "c"} <= set(first[:8]), first
        await http.delete("/leases/greedy")
        gate.allow(10_000)
        await until(lambda: service.idle or not service.questions.busy)
        done = set(gate.order)
        assert {"a", "b", "c"} <= done
        assert sum(gate.order.count(name) for name in "abc") == 6, "the others' work went on to its end"
        assert len([label for label in gate.order if label.startswith("greedy")]) < 20
        await asyncio.gather(*(http.delete(f"/leases/{name}") for name in "abc"))
