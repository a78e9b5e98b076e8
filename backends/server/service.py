"""The service: questions, leases, scheduler and the time to go, put together; one for each backend process."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import time
from collections.abc import Callable
from pathlib import Path

from backends import worklog
from backends.base import Engine
from backends.rendezvous import Badge
from backends.server import limits
from backends.server.journal import Journal
from backends.server.leases import Leases
from backends.server.memory import resident_bytes
from backends.server.questions import Questions
from backends.server.refusals import Refused
from backends.server.scheduler import About, Child, Scheduler
from backends.server.tasks import Task
from backends.worklog import Begun, Keeper
from investigator import __version__
from investigator.settings import Settings
from investigator.wire import PROTOCOL, Handshake, Question, ServerStatus


class Service:
    """What the routes act on; made and used on the event loop."""

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        child: Child,
        settings: Settings,
        badge: Badge,
        log_file: Path | str,
        socket: Path | str = "",
    ) -> None:
        self.closing = asyncio.Event()
        """Set when the process is to end."""
        self.scheduler = Scheduler(make_engine, child, log_file, self._on_end, self._on_device_lost)
        self.questions = Questions(self.scheduler.submit, self.scheduler.cancel, self._keeper)
        self.leases = Leases(settings.backend.lease, self._on_lease_end)
        self._badge = badge
        self._socket = socket
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._linger = settings.backend.linger
        self._idle_since = time.monotonic()
        self._exit: asyncio.TimerHandle | None = None
        self._leave_after(max(self._linger, limits.STARTUP_GRACE))

    def handshake(self) -> Handshake:
        """Say who is here."""
        scheduler = self.scheduler
        state, badge, trouble = scheduler.state, self._badge, scheduler.trouble
        message = str(trouble) if trouble else "The model is being loaded." if state == "loading" else ""
        about = scheduler.about if state == "ready" else About()
        return Handshake(PROTOCOL, __version__, badge.build, badge.pid, badge.nonce, state, *about, message)

    async def settle(self, seconds: float) -> None:
        """Wait until the engine is ready or has failed, but no longer than `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.scheduler.settled.wait(), seconds)

    def check_nonce(self, nonce: str) -> None:
        """Raise Refused (410) where a question was meant for a backend that lived here before."""
        if nonce and nonce != self._badge.nonce:
            raise Refused(
                "The backend was started anew, and the question's events went with the old one.", "Ask again.", 410
            )

    def ask(self, question: Question) -> Journal:
        """Begin a question or find it, and keep its client's lease going."""
        journal = self.questions.ask(question)
        if not question.detached:
            self.leases.touch(question.client)
        self._note_use()
        return journal

    def _keeper(self, question: Question) -> Keeper | None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            return Keeper(Begun(question, str(self._socket), self._badge.nonce, now))
        except OSError as error:
            raise Refused(
                f"Nothing can be written to {worklog.folder()}: {error.strerror}.", "Make room there."
            ) from error

    def status(self) -> ServerStatus:
        """Say what is going on."""
        idle = time.monotonic() - self._idle_since if self.idle else 0.0
        return ServerStatus(
            handshake=self.handshake(),
            questions=self.questions.running(),
            clients=self.leases.clients,
            idle_seconds=round(idle, 3),
            started_at=self._started_at,
            memory_bytes=resident_bytes(),
            linger=self._linger,
        )

    @property
    def idle(self) -> bool:
        """Whether nobody holds a lease and nothing is queued or running."""
        return not self.leases.clients and not self.questions.busy

    def lease(self, client: str, seconds: float) -> None:
        """Take or renew a lease."""
        self.leases.renew(client, seconds)
        self._note_use()

    def shut_down(self, *, force: bool) -> None:
        """End the process; raise Refused (409) where somebody uses it and force is not asked."""
        if not force and not self.idle:
            running = sum(question.state != "ended" for question in self.questions.running())
            raise Refused(
                f"The backend is in use: {len(self.leases.clients)} clients, {running} questions under way.",
                "Close them first.",
                409,
            )
        self.closing.set()

    def _on_lease_end(self, client: str) -> None:
        self.questions.cancel_client(client, "the client left")
        self.scheduler.forget(client)
        self._consider_leaving()

    def _on_end(self, task: Task) -> None:
        self.questions.ended(task)
        self._consider_leaving()

    def _on_device_lost(self) -> None:
        # Only another process gets a device that works; clients find this one gone and start it.
        asyncio.get_running_loop().call_later(limits.LAST_WORDS, self.closing.set)

    def _note_use(self) -> None:
        if self._exit is not None:
            self._exit.cancel()
            self._exit = None

    def _consider_leaving(self) -> None:
        if self.idle:
            self._note_use()
            self._idle_since = time.monotonic()
            self._leave_after(self._linger)

    def _leave_after(self, seconds: float) -> None:
        self._exit = asyncio.get_running_loop().call_later(seconds, self.closing.set)
