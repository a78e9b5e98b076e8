"""Work: questions on their way. `Asker.ask` sends a verb, records what comes back and tells the screen that asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from textual.message_pump import MessagePump

from investigator import clients
from investigator.deaths import Deaths
from investigator.errors import Disconnected, InvestigatorError
from investigator.events import Answer
from investigator.wire import Event, Verb
from screens import workers
from screens.messages import WorkChanged
from screens.one_work import State, Work, saved_work

if TYPE_CHECKING:
    from backends.base import Backend
    from screens.app import InvestigatorApp
    from sessions import Recorder

__all__ = ["Asker", "State", "Work", "saved_work"]
PERIOD = 0.1
"""Seconds between two repaints of one streaming pane: ten a second is as fast as a person reads."""
STORED = 256
"""Answers kept to be shown at once when their question comes again."""


EARLIEST = 64
"""Answers that wait for the session to open; where none ever opens, older ones are let go."""


class Asker:
    """All questions of the app: one client id, one running question a slot, and the stored answers."""

    def __init__(self, app: InvestigatorApp) -> None:
        self.app = app
        self.client = clients.new_name()
        self.backend: Backend | None = None
        self.ready = asyncio.Event()
        self.running: dict[str, Work] = {}
        """Active work by slot."""
        self.unrecorded: list[Work] = []
        """Questions asked while no session was open."""
        self.deaths = Deaths()
        self.lost: list[Work] = []
        """Work that broke off when the link did, to be taken up again over the next one."""
        self._newest: dict[str, Work] = {}
        """The last work of each slot, whatever became of it."""
        self._alone = asyncio.Lock()
        """Held by a question under which the backend died before."""
        self._stored: OrderedDict[bytes, Answer] = OrderedDict()

    def attach(self, backend: Backend | None) -> None:
        """Ask this backend from now on; None: none is ready."""
        self.backend = backend
        if backend is None:
            self.ready.clear()
        else:
            self.ready.set()

    def stored(self, verb: Verb) -> Answer | None:
        """Return the answer already given to this verb in this run of the app."""
        key = msgspec.json.encode(verb)
        if key in self._stored:
            self._stored.move_to_end(key)
        return self._stored.get(key)

    def ask(self, verb: Verb, *, slot: str, listener: MessagePump, fresh: bool = False, priority: int = 0) -> Work:
        """Ask, superseding what the slot runs; a stored answer is there on return unless `fresh`."""
        work = Work(verb, slot, listener, self.client, priority)
        old = None if fresh else self.stored(verb)
        self._supersede(slot, cancel=old is not None)
        if old is not None:
            work.answer, work.stored = old, True
            work.end("done")
            listener.post_message(WorkChanged(work))
            return work
        self._newest[slot] = work
        self._begin(work)
        return work

    def _begin(self, work: Work) -> None:
        work.state, work.problem = "waiting", self.deaths.refusal(work.verb)
        if work.problem is not None:
            self._finish(work, "error")
            return
        self.running[work.slot] = work
        workers.start(self.app, f"ask:{work.slot}", self._run, work, exclusive=False)
        self.tell(work)

    def take_up(self, *, died: bool) -> list[Work]:
        """Go on with what broke off, where nothing newer stands in its place; return what is under way again.

        Where the backend died, its questions are counted and asked anew; where only the link was cut, their events are
        read on from the last that came, and what the backend finished meanwhile is collected.
        """
        lost, self.lost = self.lost, []
        if died:
            self.deaths.note_all(work.verb for work in lost)
        for work in lost:
            if died:
                work.ask_anew()
        wanted = [work for work in lost if self._newest.get(work.slot) is work and work.slot not in self.running]
        for work in wanted:
            self._begin(work)
        return wanted

    def stop(self, slot: str) -> bool:
        """Stop what a slot runs; return whether there was anything."""
        work = self.running.get(slot)
        if work is None:
            return False
        if self.backend is None or work.state == "waiting":
            self._finish(work, "stopped")
            self.app.workers.cancel_group(self.app, f"ask:{slot}")
        else:
            self._cancel(work)
        return True

    def tell(self, work: Work) -> None:
        """Tell the listener: at once at the end, else at most once a period."""
        wait = work.told + PERIOD - time.monotonic()
        if not work.active or wait <= 0:
            self._tell_now(work)
        elif not work.telling:
            work.telling = True
            self.app.set_timer(wait, lambda: self._tell_later(work))

    def _tell_now(self, work: Work) -> None:
        work.told = time.monotonic()
        work.listener.post_message(WorkChanged(work))
        self.app.work_changed.publish(work)

    def _tell_later(self, work: Work) -> None:
        work.telling = False
        if work.active:
            self._tell_now(work)

    def _supersede(self, slot: str, *, cancel: bool) -> None:
        old = self.running.pop(slot, None)
        if old is None:
            return
        old.end("superseded")
        self.app.workers.cancel_group(self.app, f"ask:{slot}")
        # A new question in the slot ends the old one on the far side; a stored answer sends none.
        if cancel:
            self._cancel(old)
        self.app.work_changed.publish(old)

    def acknowledge(self, id: str) -> None:
        """Let the backend forget an answer that is in the session file."""
        if self.backend is not None:
            workers.start(self.app, "acknowledge", _quietly, self.backend.acknowledge, id, exclusive=False)

    def _cancel(self, work: Work) -> None:
        if self.backend is not None:
            workers.start(self.app, "cancel", _quietly, self.backend.cancel, work.question.id, exclusive=False)

    async def _run(self, work: Work) -> None:
        try:
            await self._read(work)
        except Disconnected as problem:
            self._lose(work, problem)
        except InvestigatorError as problem:
            work.problem = problem
            self._finish(work, "error")
        except Exception as problem:  # said in the pane: a worker that died in silence would leave it running for ever
            said = f"This could not be answered: {problem or type(problem).__name__}."
            work.problem = InvestigatorError(said, "Ask again; if it stays so, report it.")
            self._finish(work, "error")
        else:
            self._settle(work)

    async def _read(self, work: Work) -> None:
        suspect = self.deaths.suspects(work.verb)
        async with self._alone if suspect else contextlib.nullcontext():
            await self.ready.wait()
            assert self.backend is not None
            work.state = "queued"
            async for event in self._stream(work, self.backend):
                self._apply(work, event)

    def _lose(self, work: Work, problem: Disconnected) -> None:
        if work.active:
            work.problem = problem
            self.lost.append(work)
            self._finish(work, "disconnected")
        self.app.link_lost()

    def _stream(self, work: Work, backend: Backend) -> AsyncIterator[Event]:
        events, recorder = backend.ask(work.question, start=work.answer.last + 1), self.app.recorder
        if recorder is not None:
            return recorder.record(work.question, events)
        self.unrecorded = [*self.unrecorded[1 - EARLIEST :], work]
        return events

    def record_earlier(self, recorder: Recorder) -> None:
        """Hand over what was asked before the session was open: a warm backend answers sooner than a disk opens."""
        for work in self.unrecorded:
            if work.answer.ended:
                recorder.save(work.question, work.answer)
        self.unrecorded = [work for work in self.unrecorded if not work.answer.ended]

    def _apply(self, work: Work, event: Event) -> None:
        if not work.active:
            return
        work.state = "running"
        work.answer.apply(event)
        if work.answer.ended:
            self._settle(work)
        else:
            self.tell(work)

    def _settle(self, work: Work) -> None:
        if not work.active:
            return
        answer = work.answer
        if work in self.unrecorded and self.app.recorder is not None and answer.ended:
            self.unrecorded.remove(work)
            self.app.recorder.save(work.question, answer)
        if answer.result is not None:
            self._store(work.verb, answer)
            self._finish(work, "done")
        elif answer.cancelled is not None:
            self._finish(work, "stopped")
        elif answer.error is not None:
            self._finish(work, "error")
        else:
            self._lose(work, Disconnected("The backend stopped answering in the middle of this.", "It is asked again."))

    def _store(self, verb: Verb, answer: Answer) -> None:
        # A ranking's estimates are thousands of rows, its result fifty; what replaced them need not be kept with it.
        if rows := getattr(answer.result, "rows", ()):
            answer.rows = {f"{type(row).__name__}:{row.key}": row for row in rows}
        self._stored[msgspec.json.encode(verb)] = answer
        while len(self._stored) > STORED:
            self._stored.popitem(last=False)

    def _finish(self, work: Work, state: State) -> None:
        work.end(state)
        if self.running.get(work.slot) is work:
            del self.running[work.slot]
        self._tell_now(work)


async def _quietly(call: Callable[[str], Awaitable[None]], id: str) -> None:
    """Make a call whose failure changes nothing: the link's own watcher reports a broken link."""
    try:
        await call(id)
    except InvestigatorError:
        return
