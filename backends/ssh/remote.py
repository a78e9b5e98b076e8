"""A backend on another machine, reached through a tunnel that is made again whenever it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from backends.base import Backend
from backends.client import SocketBackend
from backends.ssh import contact
from backends.ssh.tunnel import Tunnel
from investigator import clients
from investigator.errors import BackendDied, Disconnected
from investigator.settings import Settings
from investigator.wire import Event, Handshake, Question, ServerStatus

T = TypeVar("T")
LEASE = 600.0
"""Seconds that the far backend keeps a silent client's work: a link may be down for minutes."""
WAITS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each further try to connect; the last repeats."""
PATIENCE = 300.0
"""Seconds for which a question that was under way waits for its link."""


class Remote(Backend):
    """The backend of a workbench on a host; a cut link is mended and every stream goes on where it stopped."""

    def __init__(
        self,
        host: str,
        workbench: str,
        settings: Settings,
        *,
        device: str = "",
        dtype: str = "",
        on_message: Callable[[str], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.client = clients.new_name()
        """The name to put into questions; the same over every reconnection."""
        self.tunnel = Tunnel(host, workbench, settings, device=device, dtype=dtype, on_message=on_message)
        self.greeting: tuple[str, ...] = ()
        """What is worth saying of the host once it is reached."""
        self.met = False
        """Whether it was reached for the first time, or with another version than before."""
        self._patience = patience
        self._backend: SocketBackend | None = None
        self._connecting = asyncio.Lock()

    def sign_in(self) -> None:
        """Open the tunnel now, while ssh may still ask for a password on the terminal; blocks.

        Raises NotInstalled where Investigator is not there, or too far from ours.
        """
        found = self.tunnel.open(silent=False)
        self.met = contact.is_new(self.tunnel.name, found.investigator)
        self.greeting = contact.greeting(self.tunnel.name, self.tunnel.machine, found.investigator)

    async def reconnect(self) -> Handshake:
        """Make the link again where it broke and return who is there."""
        return await (await self._ready()).handshake()

    async def _ready(self, dead: SocketBackend | None = None) -> SocketBackend:
        async with self._connecting:
            if self._backend is not None and self._backend is not dead and self.tunnel.stands:
                return self._backend
            if self._backend is not None:
                # The lease is kept: the work goes on over there.
                await self._backend.abandon()
            self._backend = None
            if not self.tunnel.stands or dead is not None:
                await asyncio.to_thread(self.tunnel.open, silent=True)
            self._backend = SocketBackend(Path(self.tunnel.socket), client=self.client, lease=LEASE)
            await self._backend.keep_lease()
            return self._backend

    async def _mended(self, call: Callable[[SocketBackend], Awaitable[T]]) -> T:
        """Make a call that may be made twice, over a new link where the old one broke."""
        backend = await self._ready()
        try:
            return await call(backend)
        except Disconnected:
            return await call(await self._ready(backend))

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return who is there."""
        return await self._mended(lambda backend: backend.handshake(wait=wait))

    async def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        """Ask; over a cut link the stream goes on with the event after the last that came, none twice.

        Raises Disconnected where the backend itself died after it had begun to answer, or the link stays down.
        """
        stream = self._taken_up(
            lambda backend, at: backend.ask(question, start=at), lambda event, _: event.n + 1, start=start
        )
        async for event in stream:
            yield event

    async def file(self, id: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Stream the file that goes with an answer; over a cut link it goes on with the byte after the last."""
        stream = self._taken_up(
            lambda backend, at: backend.file(id, start=at), lambda chunk, at: at + len(chunk), start=start
        )
        async for chunk in stream:
            yield chunk

    async def _taken_up(
        self,
        stream: Callable[[SocketBackend, int], AsyncIterator[T]],
        after: Callable[[T, int], int],
        *,
        start: int,
    ) -> AsyncIterator[T]:
        """Yield a stream whole: where the link breaks, what comes after the last piece is asked for over a new one."""
        give_up, tries, nonce = time.monotonic() + self._patience, 0, ""
        backend: SocketBackend | None = None
        while True:
            try:
                backend = await self._ready(backend)
                found = (await backend.handshake()).nonce
                if nonce and found != nonce and start > 0:
                    raise BackendDied(
                        "The backend over there was started anew, and what it was answering is lost.", "Ask again."
                    )
                nonce = found
                async for piece in stream(backend, start):
                    give_up, tries, start = time.monotonic() + self._patience, 0, after(piece, start)
                    yield piece
                return
            except BackendDied:
                raise
            except Disconnected:
                if time.monotonic() > give_up:
                    raise
            await asyncio.sleep(WAITS[min(tries, len(WAITS) - 1)])
            tries += 1

    async def cancel(self, id: str) -> None:
        """Stop a question."""
        await self._mended(lambda backend: backend.cancel(id))

    async def acknowledge(self, id: str) -> None:
        """Let a question's events be forgotten; where the link is down its lease will do that."""
        with contextlib.suppress(Disconnected):
            await (await self._ready()).acknowledge(id)

    async def status(self) -> ServerStatus:
        """Return what the backend is doing."""
        return await self._mended(lambda backend: backend.status())

    async def aclose(self) -> None:
        """Give the lease back and close the tunnel; the backend lingers for the next client."""
        if self._backend is not None:
            if self.tunnel.stands:
                await self._backend.aclose()
            else:
                await self._backend.abandon()
            self._backend = None
        await asyncio.to_thread(self.tunnel.close)
