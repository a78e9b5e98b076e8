"""The client: a backend over a unix socket, local or forwarded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from backends.base import Backend
from investigator import clients
from investigator.errors import BackendError, Disconnected, InvestigatorError, from_wire
from investigator.wire import PROTOCOL, Event, Handshake, Lease, Question, ServerStatus

SILENCE = 60.0
"""Seconds without even a heartbeat after which a link is taken for dead (heartbeats come every ten)."""
ATTEMPTS = 5
"""How often in a row a stream is taken up again without one event arriving."""
_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_GONE = "The backend is not there any more."
_AGAIN = "Ask again, and it is started anew; answers already given are kept."


class SocketBackend(Backend):
    """A backend reached over HTTP on a unix socket; keeps this client's lease while it is open."""

    def __init__(self, socket: Path, *, client: str = "", lease: float = 15.0) -> None:
        self.client = client or clients.new_name()
        """The name to put into questions."""
        self.socket = socket
        self.nonce = ""
        """Of the process behind the socket, once the first handshake is made; another one is another backend."""
        self._lease = lease
        self._clients = {self.client}
        self._renewing: asyncio.Task[None] | None = None
        transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=False, limits=httpx.Limits(max_connections=None))
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url="http://backend",
            timeout=httpx.Timeout(SILENCE, connect=10.0),
            trust_env=False,
        )

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return who is there; with `wait`, once it is ready or has failed; raise BackendError on another protocol."""
        while True:
            found = await self._handshake(wait)
            if not wait or found.state != "loading":
                return found

    async def _handshake(self, wait: bool) -> Handshake:
        response = await self._send("GET", f"/handshake?wait={int(wait)}")
        try:
            found = msgspec.json.decode(response.content, type=Handshake)
        except msgspec.DecodeError as error:
            raise BackendError(
                f"What answers at {self.socket} is no backend: {error}.", "Stop it and try again."
            ) from error
        if found.protocol != PROTOCOL:
            raise BackendError(
                f"The backend speaks protocol {found.protocol}, this program {PROTOCOL}.",
                "Use the same version of Investigator on both sides.",
            )
        self._check_nonce(found.nonce)
        return found

    def _check_nonce(self, nonce: str) -> None:
        if self.nonce and self.nonce != nonce:
            raise Disconnected("The backend was started anew since this program reached it.", _AGAIN)
        self.nonce = nonce

    async def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        """Ask and stream events from `start` on, taking a dropped stream up again; raise Disconnected if it died.

        A question without a client is asked in this client's name. Refusals are raised as what they stand for.
        """
        named = question if question.client else msgspec.structs.replace(question, client=self.client)
        self._check_open()
        if not named.detached:
            self._keep(named.client)
        content = msgspec.json.encode(named)
        async for event in self._taken_up("POST", f"/questions?nonce={self.nonce}&from=", content, start):
            yield event

    async def follow(self, id: str, *, start: int = 0) -> AsyncIterator[Event]:
        """Stream the events of a question that was asked before, from `start` on; BadInput where it is not known."""
        async for event in self._taken_up("GET", f"/questions/{quote(id, safe='')}/events?from=", b"", start):
            yield event

    async def _taken_up(self, method: str, url: str, content: bytes, start: int) -> AsyncIterator[Event]:
        failures = 0
        while failures < ATTEMPTS:
            self._check_open()  # somebody who shares this link may have found it dead and closed it
            try:
                async for event in self._stream(method, f"{url}{start}", content):
                    failures, start = 0, event.n + 1
                    yield event
                return  # a stream that closes properly has nothing more to tell
            except httpx.ConnectError as error:
                raise Disconnected(_GONE, _AGAIN) from error
            except httpx.TransportError:
                pass
            failures += 1
            await asyncio.sleep(0.02 * failures)
        raise Disconnected("The link to the backend broke again and again.", _AGAIN)

    async def _stream(self, method: str, url: str, content: bytes) -> AsyncIterator[Event]:
        async with self._http.stream(method, url, content=content) as response:
            if response.status_code != 200:
                await response.aread()
                raise _refusal(response)
            rest = b""
            async for chunk in response.aiter_raw():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield _read_event(line)

    async def file(self, id: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Stream the file that goes with an answer, from byte `start` on; raise Disconnected where the link breaks."""
        self._check_open()
        try:
            async with self._http.stream("GET", f"/questions/{quote(id, safe='')}/file?from={start}") as response:
                if response.status_code != 200:
                    await response.aread()
                    raise _refusal(response)
                async for chunk in response.aiter_raw():
                    yield chunk
        except httpx.TransportError as error:
            raise Disconnected("The link broke while a file was fetched.", _AGAIN) from error

    async def cancel(self, id: str) -> None:
        """Stop a question within one model step; harmless where it is not known."""
        await self._send("POST", f"/questions/{quote(id, safe='')}/cancel", missing_is_fine=True)

    async def acknowledge(self, id: str) -> None:
        """Say that a question's events are safely stored; harmless where it is not known."""
        await self._send("POST", f"/questions/{quote(id, safe='')}/acknowledge", missing_is_fine=True)

    async def status(self) -> ServerStatus:
        """Return what the backend is doing."""
        return msgspec.json.decode((await self._send("GET", "/status")).content, type=ServerStatus)

    async def shut_down(self, *, force: bool = False) -> None:
        """End the backend; raise an error where somebody uses it and `force` is not asked."""
        await self._send("POST", f"/shutdown?force={int(force)}")

    async def aclose(self) -> None:
        """Give the lease back, which cancels what is left of this client's work, and close the connection."""
        if self._renewing is not None:
            self._renewing.cancel()
            for client in self._clients:
                with contextlib.suppress(InvestigatorError):
                    await self._send("DELETE", f"/leases/{quote(client, safe='')}")
        await self._http.aclose()

    async def abandon(self) -> None:
        """Close the connection and keep the lease: the work goes on, to be taken up by a client of the same name."""
        if self._renewing is not None:
            self._renewing.cancel()
        await self._http.aclose()

    def _check_open(self) -> None:
        if self._http.is_closed:
            raise Disconnected("This program has closed its link to the backend.", "Connect again.")

    def _keep(self, client: str) -> None:
        # The question itself brings a lease, so nothing is waited for here.
        self._clients.add(client)
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="lease")

    async def keep_lease(self) -> None:
        """Take the lease now, before anything is asked, and keep it."""
        await self._take_leases()
        self._keep(self.client)

    async def _renew(self) -> None:
        while True:
            with contextlib.suppress(InvestigatorError):
                await self._take_leases()
            await asyncio.sleep(self._lease / 3)

    async def _take_leases(self) -> None:
        for client in tuple(self._clients):
            await self._send("POST", "/leases", content=msgspec.json.encode(Lease(client, self._lease)))

    async def _send(
        self, method: str, url: str, *, missing_is_fine: bool = False, content: bytes = b""
    ) -> httpx.Response:
        response = await self._try_twice(method, url, content)
        if response.status_code >= 400 and not (missing_is_fine and response.status_code == 404):
            raise _refusal(response)
        return response

    async def _try_twice(self, method: str, url: str, content: bytes) -> httpx.Response:
        self._check_open()
        # Every route is idempotent, and a kept connection may have been closed under the request.
        try:
            with contextlib.suppress(httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                return await self._http.request(method, url, content=content)
            return await self._http.request(method, url, content=content)
        except httpx.HTTPError as error:
            raise Disconnected(_GONE, _AGAIN) from error


def _read_event(line: bytes) -> Event:
    try:
        return _events.decode(line)
    except msgspec.DecodeError as error:
        raise BackendError(
            f"The backend said something this program cannot read: {error}.", "Use equal versions."
        ) from error


def _refusal(response: httpx.Response) -> InvestigatorError:
    try:
        told: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    message = str(told.get("message") or f"The backend answered with status {response.status_code}.")
    mend = str(told.get("mend") or "")
    return (
        Disconnected(message, mend) if response.status_code == 410 else from_wire(str(told.get("kind")), message, mend)
    )
