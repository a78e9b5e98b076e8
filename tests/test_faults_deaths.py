"""A backend that dies: what was lost is said and asked again, and what kills it twice is set aside."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bench_pilot import answered, bench, press, text, the, until
from server_tools import until as until_true

from backends import start
from fake_backend import EXAMPLE, FakeBackend
from investigator import api
from investigator.errors import BackendError
from investigator.wire import Event, Explain, Handshake, Open, Question
from sessions import open_store


class Mortal(FakeBackend):
    """Dies under every question of one verb, and comes back as another process at the next call."""

    def __init__(self, deadly: str) -> None:
        super().__init__()
        self.deadly = deadly

    async def ask(self, question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        async for event in super().ask(question, start=start):
            yield event
            if str(question.verb.__struct_config__.tag) == self.deadly:
                self.kill()
                self._alive()

    async def connect(self) -> FakeBackend:
        if self._dead.is_set():
            self.revive()
        return await super().connect()

    async def handshake(self, *, wait: bool = False) -> Handshake:
        if self._dead.is_set():
            self.revive()
        return await super().handshake(wait=wait)


async def test_what_a_dying_backend_was_answering_is_named_and_asked_again_wherever_it_was_asked() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        told: list[str] = []
        app = the(pilot).app
        app.tell = lambda words, **_: told.append(words)  # type: ignore[method-assign]
        backend.hold("feature")
        await press(pilot, "enter")
        await until(pilot, lambda: bool(backend.verbs("feature")))
        work = app.asker.running["feature"]
        first = work.question.id
        backend.kill()
        await until(pilot, lambda: work.state == "disconnected")
        backend.gate.clear()
        backend.revive()
        await until(pilot, lambda: work.state == "done", turns=2000)
        assert work.question.id != first, "the dead backend's events are gone, so the question is another one"
        await until(pilot, lambda: bool(told))
        assert "The backend ended and was started anew. What it was answering is asked again: feature." in told[-1]
        assert "latent" in text(pilot)


async def test_a_cut_link_is_no_death_and_the_same_question_goes_on() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        backend.hold("explain")
        await press(pilot, "g")
        await until(pilot, lambda: the(pilot).explanations.state.name == "running")
        work = the(pilot).app.asker.running["explain"]
        first = work.question.id
        backend.kill()
        await until(pilot, lambda: work.state == "disconnected")
        backend.gate.clear()
        backend._dead.clear()  # the link is back, and behind it the same process
        await until(pilot, lambda: answered(pilot, "explain"), turns=2000)
        assert work.question.id == first
        assert the(pilot).app.asker.deaths.of(work.verb) == 0


async def test_a_question_that_kills_the_backend_twice_is_set_aside_with_an_explanation() -> None:
    backend = Mortal("explain")
    async with bench(backend) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: the(pilot).explanations.state.name == "error", turns=3000)
        assert len(backend.verbs("explain")) == 2
        work = the(pilot).explanations.work
        assert work is not None and work.failure is not None
        assert "died 2 times while it answered this `explain`" in work.failure.message
        assert answered(pilot, "features") and answered(pilot, "labels")
        app, place = the(pilot).app, the(pilot).place
        assert place is not None
        again = app.ask(work.verb, slot="explain", listener=the(pilot), fresh=True)
        assert again.state == "error" and len(backend.verbs("explain")) == 2, "for the life of the app"


def test_a_program_asks_once_more_and_then_sets_the_question_aside() -> None:
    backend = Mortal("explain")
    with api.Investigator(backend) as opened:
        prompt = opened.open(EXAMPLE)
        verb = Explain(prompt.source())
        for _ in range(2):
            with pytest.raises(BackendError, match="set aside"):
                opened.ask(verb)
        assert len(backend.verbs("explain")) == 2
        assert opened.ask(Open(EXAMPLE)).result, "other questions are answered"


async def test_a_broken_answer_is_kept_until_it_is_taken_up_and_only_so_many_are(tmp_path: Path) -> None:
    from session_tools import some_features, stream

    from investigator.wire import Accepted, ShowFeatures
    from sessions import Recorder, recorder

    with open_store(tmp_path / "s.db") as store:
        made = Recorder(store, store.session("s"))
        _, answer = some_features("q-0", "a")
        assert answer.verb is not None and answer.provenance is not None
        for number in range(recorder.BROKEN + 5):
            question = Question(f"q-{number}", "t", ShowFeatures(answer.verb.source))  # type: ignore[union-attr]
            async for _ in made.record(question, stream(Accepted(question.verb, answer.provenance))):
                pass
        assert len(made._open) == recorder.BROKEN
        await made.aclose()


async def test_how_a_backend_ended_is_known_where_this_program_started_it(tmp_path: Path) -> None:
    place = tmp_path / "x.sock"
    process = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "sleep 60"], {})
    start.spawned[place] = process
    assert start.fate(place) == "", "it lives"
    os.kill(process, signal.SIGKILL)
    await until_true(lambda: start.fate(place))
    start._codes.clear()
    process = start.spawned[place] = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "kill -9 $$"], {})
    said = ""
    while not said:
        said = start.fate(place)
    assert said == "killed with SIGKILL, as systems do when memory runs out"
