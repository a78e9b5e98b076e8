"""Launching: finds the local backend of a workbench, or starts one, and starts it again where it died."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from backends import rendezvous
from backends.base import Backend
from backends.command import ENGINE
from backends.rendezvous import Badge, Place
from backends.start import running, spawned, start, start_early, target
from investigator import clients
from investigator.errors import BackendError, Disconnected, InvestigatorError
from investigator.settings import Settings
from investigator.wire import Event, Handshake, Question, ServerStatus

if TYPE_CHECKING:
    from backends.client import SocketBackend

PATIENCE = 60.0
"""Seconds in which a started backend must answer; it does in a fraction of one, long before its model is loaded."""
STARTS = 3
"""How often a backend that is killed while it starts is started again."""
__all__ = ["Local", "connect", "start_early", "target"]
Say = Callable[[str], None]


async def connect(
    workbench: str,
    settings: Settings,
    *,
    on_message: Say | None = None,
    client: str = "",
    engine: str = ENGINE,
    busy_too: bool = False,
) -> SocketBackend:
    """Find or start the local backend and return a client of it, its lease taken; the model may still be loading.

    An idle backend of another build, or one that had failed before, is replaced; a busy one is taken as it is where
    `busy_too` allows that and it speaks our protocol. Raises BackendError where a busy one is in the way or none
    starts, WorkbenchError where there is no such workbench.
    """
    say = on_message or (lambda message: None)
    meant = target(workbench, settings, engine)
    with contextlib.suppress(BackendError):
        running(meant.place)  # forgets one that was killed since
    await asyncio.to_thread(_import_client)  # httpx takes 0.2 s to import, which no event loop should feel
    give_up, starts = time.monotonic() + PATIENCE, 0
    while time.monotonic() < give_up and starts <= STARTS:
        starts += start(meant)
        badge = rendezvous.read_badge(meant.place)
        found = await _try(meant.place, badge, settings, client, say, busy_too) if badge else None
        if found is not None:
            try:
                await found.keep_lease()
            except Disconnected:  # it left between the two calls, because nobody had a lease
                await found.aclose()
                continue
            return found
        say("The backend is starting.")
        await asyncio.sleep(0.02)
    raise BackendError(
        f"The backend did not answer within {PATIENCE:.0f} seconds, or was ended {starts} times as it started.",
        f"Its log: {meant.place.log}",
    )


def _import_client() -> None:
    from backends import build, client

    assert client
    build.build_id()


async def _try(
    place: Place, badge: Badge, settings: Settings, client: str, say: Say, busy_too: bool
) -> SocketBackend | None:
    from backends.build import build_id
    from backends.client import SocketBackend

    backend = SocketBackend(place.socket, client=client, lease=settings.backend.lease)
    try:
        # One that we started ourselves is the code installed now, if not the code running here: it will do.
        if badge.build != build_id() and badge.pid != spawned.get(place.socket):
            if not await _made_room(backend, place, badge, busy_too):
                return backend
            say("The backend of another build is replaced.")
        elif await _usable(backend, place, badge):
            return backend
    except Disconnected:
        pass
    except BaseException:
        await backend.aclose()
        raise
    await backend.aclose()
    return None


async def _made_room(backend: SocketBackend, place: Place, badge: Badge, busy_too: bool) -> bool:
    """End a backend of another build; return False where it is busy and may be used as it is."""
    try:
        await _replace(backend, place, badge)
    except BackendError:
        # Whoever comes back over a new link after an upgrade finds the backend that works for them.
        if not busy_too or (await backend.handshake()).nonce != badge.nonce:
            raise
        return False
    return True


async def _usable(backend: SocketBackend, place: Place, badge: Badge) -> bool:
    found = await backend.handshake()
    if found.nonce != badge.nonce:
        return False
    if found.state == "failed" and spawned.get(place.socket) != found.pid:
        with contextlib.suppress(BackendError):
            await _replace(backend, place, badge)
            return False
    return True


async def _replace(backend: SocketBackend, place: Place, badge: Badge) -> None:
    try:
        await backend.shut_down()
    except Disconnected:
        return
    except InvestigatorError as error:
        raise BackendError(
            f"A backend of another build ({badge.build}) has this workbench. {error.message}",
            "Close the program that uses it, or wait for its work, then try again.",
        ) from error
    give_up = time.monotonic() + PATIENCE
    while rendezvous.alive(place) and time.monotonic() < give_up:
        await asyncio.sleep(0.02)


class Local(Backend):
    """The local backend of a workbench, found or started whenever it is needed, also after it was killed."""

    def __init__(
        self, workbench: str, settings: Settings, *, on_message: Say | None = None, engine: str = ENGINE
    ) -> None:
        self.client = clients.new_name()
        """The name to put into questions; the same over every reconnection."""
        self._workbench, self._settings, self._engine = workbench, settings, engine
        self._say = on_message
        self._backend: SocketBackend | None = None
        self._connecting = asyncio.Lock()

    async def reconnect(self) -> Handshake:
        """Find or start the backend again and return who is there."""
        return await (await self._renewed(self._backend)).handshake()

    async def _renewed(self, dead: SocketBackend | None) -> SocketBackend:
        async with self._connecting:
            if self._backend is None or self._backend is dead:
                if dead is not None:
                    await dead.aclose()
                self._backend = None
                self._backend = await connect(
                    self._workbench, self._settings, on_message=self._say, client=self.client, engine=self._engine
                )
            return self._backend

    async def _ready(self) -> SocketBackend:
        return self._backend or await self._renewed(None)

    async def handshake(self, *, wait: bool = False) -> Handshake:
        """Return who is there, starting it anew where it died."""
        backend = await self._ready()
        try:
            return await backend.handshake(wait=wait)
        except Disconnected:
            return await (await self._renewed(backend)).handshake(wait=wait)

    async def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        """Ask; a backend found dead before its first event is started anew, one that dies later raises Disconnected."""
        backend = await self._ready()
        seen = start > 0
        try:
            async for event in backend.ask(question, start=start):
                seen = True
                yield event
            return
        except Disconnected:
            if seen:
                raise
        async for event in (await self._renewed(backend)).ask(question):
            yield event

    async def file(self, id: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Stream the file that goes with an answer, from byte `start` on."""
        async for chunk in (await self._ready()).file(id, start=start):
            yield chunk

    async def cancel(self, id: str) -> None:
        """Stop a question; harmless where the backend died, because its work died too."""
        with contextlib.suppress(Disconnected):
            await (await self._ready()).cancel(id)

    async def acknowledge(self, id: str) -> None:
        """Let a question's events be forgotten; harmless where the backend died, because they are."""
        with contextlib.suppress(Disconnected):
            await (await self._ready()).acknowledge(id)

    async def status(self) -> ServerStatus:
        """Return what the backend is doing."""
        return await (await self._ready()).status()

    async def aclose(self) -> None:
        """Give the lease back and close the connection; the backend lingers for the next client."""
        if self._backend is not None:
            await self._backend.aclose()
            self._backend = None
