"""The link to the backend: connecting after the first frame, waiting until it is ready, noticing when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from investigator.errors import BackendError, InvestigatorError
from investigator.wire import Handshake

if TYPE_CHECKING:
    from backends.base import Backend
    from investigator.provenance import WorkbenchSummary
    from screens.app import InvestigatorApp
    from screens.work import Work

Connect = Callable[[], Awaitable["Backend"]]
LinkState = Literal["starting", "loading", "ready", "failed", "lost"]

WATCH = 2.0
"""Seconds between two looks at an idle backend: how late its death is noticed when nothing is asked."""
LOOK = 0.2
"""Seconds between two looks at a backend that loads."""
PATIENCE = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each further try to connect; the last repeats."""


class Status(msgspec.Struct, frozen=True):
    """How the link stands, in words."""

    state: LinkState = "starting"
    message: str = "starting the backend"
    mend: str = ""
    handshake: Handshake | None = None


class Link:
    """Keeps one backend connected; `App.link_changed` tells of every change."""

    def __init__(self, app: InvestigatorApp, connect: Connect) -> None:
        self.app = app
        self.connect = connect
        self.backend: Backend | None = None
        self.status = Status()
        self.book: WorkbenchSummary | None = None
        """What was loaded when the backend was last ready; stays known while it is started again."""
        self._lost = asyncio.Event()
        self._tries = 0
        self._nonce = ""
        """Of the backend that was last ready; another one's means that it died or was replaced."""
        self._fate = ""
        """How the backend before ended, in words, where that is known."""

    def lost(self) -> None:
        """Say that a stream broke, so that the link is made again now."""
        self._lost.set()

    async def keep(self) -> None:
        """Connect, watch, and connect again, until the app ends."""
        while True:
            try:
                await self._connected()
                await self._watch()
            except InvestigatorError as problem:
                self._say(Status("failed", problem.message, problem.mend))
            except Exception as problem:  # a worker that died in silence would leave the app waiting for ever
                self._say(Status("failed", f"The backend cannot be reached: {problem or type(problem).__name__}."))
            self.app.asker.attach(None)
            await self._drop()
            await asyncio.sleep(PATIENCE[min(self._tries, len(PATIENCE) - 1)])
            self._tries += 1

    async def aclose(self) -> None:
        """Give the lease back."""
        await self._drop()

    async def _connected(self) -> None:
        self._lost.clear()
        self.backend = await self.connect()
        hands = await self._ready(self.backend)
        if hands.state == "failed":
            raise BackendError(
                hands.message or "The backend could not load the workbench.", "See `investigator doctor`."
            )
        died = bool(self._nonce) and hands.nonce != self._nonce
        again = bool(self._nonce)
        self._tries, self.book, self._nonce = 0, hands.workbench, hands.nonce
        self.app.asker.attach(self.backend)
        taken_up = self.app.asker.take_up(died=died)
        self._say(Status("ready", "", "", hands))
        if again:
            self.app.tell(_came_back(taken_up, self._fate if died else None))

    async def _ready(self, backend: Backend) -> Handshake:
        hands = await backend.handshake()
        while hands.state == "loading":
            message = hands.message or "loading the model"
            if self.status.message != message or self.status.state != "loading":
                self._say(Status("loading", message, "", hands))
            waiting = asyncio.ensure_future(backend.handshake(wait=True))
            done, _ = await asyncio.wait({waiting}, timeout=LOOK)
            if done:
                return waiting.result()
            waiting.cancel()
            hands = await backend.handshake()
        return hands

    async def _watch(self) -> None:
        assert self.backend is not None
        nonce = (await self.backend.handshake()).nonce
        try:
            while not await _set_within(self._lost, WATCH):
                if (await self.backend.handshake()).nonce != nonce:
                    break
        except InvestigatorError:
            pass
        self._fate = await asyncio.to_thread(_fate, self.backend)
        self._say(Status("lost", f"{_what(self.backend)}; connecting again", "Answers already given stay."))

    async def _drop(self) -> None:
        backend, self.backend = self.backend, None
        if backend is not None:
            try:
                await backend.aclose()
            except InvestigatorError:
                return

    def _say(self, status: Status) -> None:
        self.status = status
        self.app.link_changed.publish(status)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _what(backend: Backend) -> str:
    """Return what seems to be gone: of a backend far away the link, until another process answers over a new one."""
    tunnel = getattr(backend, "tunnel", None)
    return f"the link to {tunnel.name} is down" if tunnel is not None else "the backend is gone"


def _fate(backend: Backend) -> str:
    """Return how a backend that this app started has ended; nothing where that is not known."""
    socket = getattr(backend, "socket", None)
    if socket is None:
        return ""
    from backends.start import fate

    return fate(socket)


def _came_back(taken_up: list[Work], fate: str | None) -> str:
    """Return what was lost and what is done about it; `fate` is None where only the link was cut."""
    words = ", ".join(f"{work.name} {work.progress}".strip() for work in taken_up)
    if fate is None:
        return f"Connected again. {f'Going on with: {words}.' if words else 'Nothing was lost.'}"
    said = f"The backend ended{f' ({fate})' if fate else ''} and was started anew."
    lost = f"What it was answering is asked again: {words}." if words else "It was answering nothing."
    return f"{said} {lost} Answers already given are kept."
