"""The protocol's own document generates requests; a real socket must answer each with what the document promises."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from server_tools import no_child, running

from backends.server.contract import document
from backends.server.refusals import VERBS

CASES = 25
"""Requests an operation, valid and broken ones."""


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A backend that answers on a thread of its own."""
    folder = tmp_path_factory.mktemp("contract")
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(folder, child=no_child, linger=600.0) as (_, client):
            await client.handshake(wait=True)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield folder / "s.sock"
    over.set()
    thread.join()


def _schema() -> Any:
    paths = {path: route for path, route in document()["paths"].items() if path != "/shutdown"}
    return schemathesis.openapi.from_dict(document() | {"paths": paths})


OPERATIONS = [result.ok() for result in _schema().get_all_operations()]
CHANCES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation.definition.raw.keys() & {"requestBody"} or list(operation.query)
]


def _send(socket: Path, case: Any) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://b", timeout=30) as client:
        prepared = case.as_transport_kwargs(base_url="http://b")
        wanted = {name: prepared.get(name) for name in ("params", "json", "data", "headers", "cookies")}
        with client.stream(prepared["method"], prepared["url"], **_fit(wanted)) as response:
            # A stream of events stays open while its question runs: the first piece shows that it is one.
            if response.headers.get("content-type", "").startswith("application/x-ndjson"):
                next(response.iter_raw(), b"")
            else:
                response.read()
            return response


def _fit(wanted: dict[str, Any]) -> dict[str, Any]:
    data = wanted.pop("data", None)
    if isinstance(data, (bytes, str)):
        wanted["content"] = data
    elif data is not None:
        wanted["data"] = data
    return {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize(("operation", "mode"), CHANCES)
def test_every_generated_request_gets_what_the_document_promises(socket: Path, operation: Any, mode: Any) -> None:
    promised = set(operation.definition.raw["responses"]) | {"200", "202", "204", "400", "404", "405"}

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        try:
            response = _send(socket, case)
        except (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol, ValueError):
            return  # what no HTTP client can send
        assert str(response.status_code) in promised, (response.status_code, case)
        if response.status_code >= 400:
            told = response.json()
            assert set(told) == {"kind", "message", "mend"} and told["message"].endswith((".", "?")), told

    check()


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=300))
def test_raw_bytes_are_refused_with_a_sentence(socket: Path, body: bytes) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://b", timeout=30) as client:
        response = client.post("/questions", content=body)
    assert response.status_code == 400
    assert response.json()["message"]


def test_the_document_is_served_and_names_every_verb_and_route(socket: Path) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://b") as client:
        served = client.get("/openapi.json").json()
    assert served == json.loads(json.dumps(document()))
    verbs = served["components"]["schemas"]["Question"]["properties"]["verb"]["discriminator"]["mapping"]
    assert sorted(verbs) == VERBS
    page = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    for path in served["paths"]:
        assert f"{path}" in page
