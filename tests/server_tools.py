"""A service in this process behind a real socket, and questions to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import msgspec

from backends import rendezvous
from backends.base import Engine
from backends.client import SocketBackend
from backends.rendezvous import Badge
from backends.server.scheduler import Child
from backends.server.serve import live
from backends.server.service import Service
from fake_engine import SOURCE, FakeEngine, Gate
from investigator.events import Answer
from investigator.settings import Backend, Settings
from investigator.wire import Event, Explain, Question, RankLabels, Verb

_ids = itertools.count()


def no_child(_verb: Verb) -> Iterator[Event | None]:
    raise AssertionError("nothing here runs in a child")


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    gate: Gate | None = None,
    *,
    make: Callable[[], Engine] | None = None,
    child: Child = no_child,
    workbench: str = "tiny.toml",
    **backend: float,
) -> AsyncIterator[tuple[Service, SocketBackend]]:
    """Serve a fake engine, or the one that `make` makes, on a socket in the folder; give the service and a client."""
    settings = Settings(backend=msgspec.structs.replace(Backend(), **backend))
    place = rendezvous.place_of(folder / "s.sock")
    rendezvous.private_folder(folder)
    badge = Badge(secrets.token_hex(8), os.getpid(), "test")
    listener = rendezvous.listen(place, badge)
    fake = functools.partial(FakeEngine, folder / workbench, settings, gate)
    service = Service(make or fake, child, settings, badge, "the log")
    serving = asyncio.create_task(live(service, listener))
    client = SocketBackend(place.socket, client="me")
    try:
        yield service, client
    finally:
        await client.aclose()
        service.closing.set()
        await serving


def question(verb: Verb, *, client: str = "me", slot: str = "", priority: int = 0, id: str = "") -> Question:
    return Question(id or f"q{next(_ids)}", client, verb, slot, priority)


def explain(label: str = "explain", samples: int = 3, **rest: object) -> Question:
    return question(Explain(SOURCE, reader=label, samples=samples), **rest)  # type: ignore[arg-type]


def labels(trouble: str = "", **rest: object) -> Question:
    return question(RankLabels(SOURCE, reader=trouble), **rest)  # type: ignore[arg-type]


async def answer(client: SocketBackend, asked: Question) -> Answer:
    folded = Answer(asked.id)
    async for event in client.ask(asked):
        folded.apply(event)
    return folded


async def until(condition: object, patience: float = 20.0) -> None:
    """Wait until a function gives true."""
    assert callable(condition)
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.005)


def raw(client: SocketBackend) -> httpx.AsyncClient:
    """Return a plain HTTP client on the same socket."""
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(client.socket)), base_url="http://b")
