"""Requests that no client of ours would send: the protocol's own shapes bent at random, and raw bytes."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from investigator.commands.faults.ground import Ground, asked, local, tokens_of, verbs
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.base import Backend

_JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 1e308, "", "\0", "\u202e", "x" * 10_000, [], {}, [[]], {"verb": {}}, "../../etc/passwd",
)  # fmt: skip
_ROUTES = ("/questions", "/questions?from=0", "/leases", "/handshake", "/status", "/questions/%00/events", "/nowhere")
_METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "\x00", "POST POST")
_CLIENT = "liar"
_PATIENCE = 30.0


async def measure(at: Ground) -> list[Figure]:
    """Return `malformed_requests` that got an answer other than a fault, the same backend alive after the last."""
    from backends.client import SocketBackend
    from backends.launch import connect

    chance, taken = at.random("lies"), 0
    async with local(at) as backend:
        nonce = (await backend.handshake()).nonce
        place = await connect(at.workbench, at.settings)
        assert isinstance(place, SocketBackend)
        shapes = await _shapes(backend)
        for number in range(at.counts.malformed_requests):
            if number % 100 == 0:
                at.note(f"malformed requests: {number} of {at.counts.malformed_requests}")
                await _send(place.socket, _http("DELETE", f"/leases/{_CLIENT}", b""))
            status = await _send(place.socket, _request(chance, shapes))
            at.tally.unexpected_5xx += status >= 500
            taken += status < 500
        await _send(place.socket, _http("DELETE", f"/leases/{_CLIENT}", b""))
        await place.aclose()
        alive = (await backend.handshake()).nonce == nonce
    beside = f"one backend, {'alive' if alive else 'DEAD'} after the last"
    return [Figure("malformed_requests", float(taken) if alive else 0.0, "requests", ">= 5000", compared_with=beside)]


async def _shapes(backend: Backend) -> list[dict[str, Any]]:
    subject, ids, layer = await tokens_of(backend)
    several = verbs(subject, ids, layer, 1).values()
    return [json.loads(msgspec.json.encode(asked(verb, _CLIENT))) for verb in several]


def _request(chance: random.Random, shapes: list[dict[str, Any]]) -> bytes:
    kind = chance.random()
    if kind < 0.15:
        return chance.randbytes(chance.randrange(1, 400))
    if kind < 0.3:
        path = chance.choice([*_ROUTES, "/" + chance.randbytes(20).decode("latin-1")])
        return _http(chance.choice(_METHODS), path, chance.randbytes(chance.randrange(100)))
    body = json.dumps(_bent(chance, chance.choice(shapes))).encode()
    if kind < 0.5:
        body = body[: chance.randrange(len(body))]
    return _http("POST", chance.choice(_ROUTES[:3]), body, lie=kind > 0.95)


def _bent(chance: random.Random, shape: Any) -> Any:
    """Return a copy in which some values are junk, some keys gone, and the id is fresh."""
    bent = _bend(chance, shape)
    if isinstance(bent, dict) and isinstance(bent.get("id"), str):
        bent["id"] = f"lie-{chance.getrandbits(64):x}"
    return bent


def _bend(chance: random.Random, value: Any) -> Any:
    if chance.random() < 0.06:
        return chance.choice(_JUNK)
    if isinstance(value, dict):
        kept = {key: _bend(chance, one) for key, one in value.items() if chance.random() > 0.03}
        return kept | (
            {chance.choice(("x", "verb", "kind", "")): chance.choice(_JUNK)} if chance.random() < 0.1 else {}
        )
    if isinstance(value, list):
        return [_bend(chance, one) for one in value]
    return value


def _http(method: str, path: str, body: bytes, *, lie: bool = False) -> bytes:
    length = len(body) + (7 if lie else 0)
    head = f"{method} {path} HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    return head.encode("latin-1", "replace") + body


async def _send(socket: Path, request: bytes) -> int:
    """Send raw bytes, hang up our half, and return the status of the answer; 0 where the server just hung up."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(request)
        writer.write_eof()
        head = await asyncio.wait_for(reader.readline(), _PATIENCE)
    except (ConnectionError, BrokenPipeError):
        return 0
    except TimeoutError:
        return 599  # a request that is never answered is a fault like any other
    finally:
        writer.close()
    words = head.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
