"""What panes say of themselves: every state in words, superseding, stopping, errors, and a backend that dies."""

from collections.abc import AsyncIterator

import pytest
from bench_pilot import answered, bench, line, press, text, the, until

from fake_backend import FakeBackend
from investigator.errors import BackendError, ScoreError
from investigator.records import ExplanationRow, Score
from investigator.wire import Cancelled, Event, Explain, Failed, Partial, Progress, Question
from screens import work as work_module
from screens.link import Status
from screens.marks import UNICODE
from screens.messages import WorkChanged
from screens.widgets.pane_state import Facts, state_of
from screens.work import Work


def facts(work: Work | None = None, **given: object) -> Facts:
    usual = {"rows": False, "rows_of": "", "summary": "6 active", "hint": "Press g.", "link": Status("ready", "")}
    return Facts(work, marks=UNICODE, **{**usual, **given})  # type: ignore[arg-type]


def work_in(state: str, *events: object) -> Work:
    work = Work(Explain(source=None), "explain", None, "c", 0)  # type: ignore[arg-type]
    for n, event in enumerate(events):
        work.answer.apply(type(event)(**{**_fields(event), "n": n}))  # type: ignore[arg-type]
    work.state = state  # type: ignore[assignment]
    return work


def _fields(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}  # type: ignore[attr-defined]


ROW = ExplanationRow("ports", Score(-1.0))


@pytest.mark.parametrize(
    ("given", "name", "words", "said"),
    [
        (facts(), "empty", "empty", "Press g."),
        (facts(link=Status("loading", "loading weights")), "loading", "loading: loading weights", ""),
        (facts(work_in("queued")), "queued", "queued", ""),
        (
            facts(work_in("running", Progress(31, 50, "drawing"))),
            "running",
            "drawing 31/50 ━━━━━━──── ^g stops",
            "",
        ),
        (
            facts(work_in("running", Progress(1, 4, "estimate"))),
            "estimate",
            "~ estimate 1/4 ━━──────── ^g stops",
            "",
        ),
        (facts(rows=True, rows_of='"bon" L3'), "stale", 'stale: rows of "bon" L3', "Press g."),
        (
            facts(work_in("running", Progress(1, 2)), rows=True, rows_of='"bon" L3'),
            "running",
            'running 1/2 ━━━━━───── ^g stops · rows of "bon" L3',
            "",
        ),
        (
            facts(work_in("stopped", Progress(31, 50), Partial((ROW,)), Cancelled()), rows=True),
            "stopped",
            "stopped 31/50",
            "",
        ),
        (
            facts(work_in("error", Failed("score", "It came out as nan.", "Try float32."))),
            "error",
            "error",
            "It came out as nan. Try float32.",
        ),
        (
            facts(work_in("waiting"), link=Status("lost", "the backend is gone", "Answers stay.")),
            "disconnected",
            "disconnected",
            "the backend is gone Answers stay.",
        ),
    ],
)
def test_each_state_in_words(given: Facts, name: str, words: str, said: str) -> None:
    state = state_of(given)
    assert (state.name, state.words, state.said) == (name, words, said)


async def test_a_newer_question_supersedes_the_older_and_old_rows_never_come_back() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        gate = backend.hold("labels")
        await press(pilot, "left")
        await until(pilot, lambda: len(backend.verbs("labels")) == 2)
        await press(pilot, "left")
        await until(pilot, lambda: len(backend.verbs("labels")) == 3)
        gate.set()
        await until(pilot, lambda: answered(pilot, "labels"))
        await pilot.pause(0.05)
        place = the(pilot).labels.answer_place
        assert place is not None and place.position == 7
        assert len(the(pilot).app.asker.running) == 0


async def test_rows_of_another_place_are_dimmed_and_named_until_their_answer_comes() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        gate = backend.hold("labels")
        await press(pilot, "left")
        await until(pilot, lambda: the(pilot).labels.table.dimmed)
        assert '"Lisbon" L3' in the(pilot).labels.state.words
        gate.set()
        await until(pilot, lambda: answered(pilot, "labels"))
        assert not the(pilot).labels.table.dimmed


async def test_explanations_of_another_place_turn_stale_and_are_not_asked_for() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: answered(pilot, "explain"))
        await press(pilot, "left")
        await until(pilot, lambda: the(pilot).explanations.state.name == "stale")
        assert the(pilot).explanations.table.dimmed
        assert len(backend.verbs("explain")) == 1
        await press(pilot, "right")
        await until(pilot, lambda: answered(pilot, "explain"))
        assert not the(pilot).explanations.table.dimmed
        assert len(backend.verbs("explain")) == 1


async def test_ctrl_g_stops_the_work_even_while_typing_and_the_rows_stay() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        backend.pass_through["explain"] = 4
        backend.hold("explain")
        await press(pilot, "g")
        await until(pilot, lambda: the(pilot).explanations.work.progress == "25/50")
        assert "▶ explain" in line(pilot, "pocket") and "^g" in line(pilot, "pocket")
        await press(pilot, "h", "p", "ctrl+g")
        await until(pilot, lambda: the(pilot).explanations.state.name == "stopped")
        assert the(pilot).explanations.state.words.startswith("stopped 25/50")
        assert len(backend.cancelled) == 1
        assert the(pilot).hypothesis.input.value == "p"
        assert "▶" not in line(pilot, "pocket")


async def test_an_error_appears_in_its_pane_as_sentences_and_the_app_stays_up() -> None:
    backend = FakeBackend()
    backend.fail["labels"] = ScoreError("The score came out as nan.", "Try another dtype.")
    async with bench(backend, settle=False) as pilot:
        await until(pilot, lambda: the(pilot).labels.state.name == "error")
        assert "The score came out as nan. Try another" in text(pilot)
        del backend.fail["labels"]
        await press(pilot, "left")
        await until(pilot, lambda: answered(pilot, "labels"))


async def test_an_unforeseen_failure_is_said_in_the_pane_instead_of_running_for_ever() -> None:
    backend = FakeBackend()
    ask = backend.ask

    def breaks(question: Question, *, start: int = 0) -> AsyncIterator[Event]:
        if question.slot == "labels":
            raise ValueError("a cable [came] loose")
        return ask(question, start=start)

    backend.ask = breaks  # type: ignore[method-assign]
    async with bench(backend, settle=False) as pilot:
        await until(pilot, lambda: the(pilot).labels.state.name == "error")
        assert "a cable [came] loose" in " ".join(text(pilot).replace("│", " ").split())
        assert answered(pilot, "features")


async def test_the_app_is_usable_while_the_backend_loads_and_says_what_loads() -> None:
    backend = FakeBackend()
    backend.ready.clear()
    async with bench(backend, settle=False) as pilot:
        await until(pilot, lambda: "loading weights" in text(pilot))
        await press(pilot, "i", *"old", "space", *"ships", "escape", "3", "g", "left", "s")
        assert the(pilot).prompt_bar.input.value == "old ships"
        await press(pilot, "i", "enter")
        assert not backend.asked
        backend.ready.set()
        await until(pilot, lambda: "token 3/3" in text(pilot))


async def test_a_backend_that_cannot_be_reached_is_said_and_tried_again() -> None:
    backend = FakeBackend()
    failures = [BackendError("No backend answers.", "Look at its log."), None]

    async def connect() -> FakeBackend:
        problem = failures.pop(0) if failures else None
        if problem is not None:
            raise problem
        return await FakeBackend.connect(backend)

    backend.connect = connect  # type: ignore[method-assign]
    said: list[str] = []
    async with bench(backend, settle=False) as pilot:
        pilot.app.link_changed.subscribe(pilot.app.screen, lambda status: said.append(status.message))  # type: ignore[attr-defined]
        await until(pilot, lambda: answered(pilot, "features"))
        assert backend.connections == 1


async def test_a_backend_that_dies_is_said_answers_stay_and_what_is_missing_is_asked_again() -> None:
    backend = FakeBackend()
    async with bench(backend) as pilot:
        backend.hold("explain")
        await press(pilot, "g")
        await until(pilot, lambda: the(pilot).explanations.state.name == "running")
        backend.kill()
        await until(pilot, lambda: the(pilot).explanations.state.name == "disconnected")
        await until(pilot, lambda: pilot.app.link.status.state in {"lost", "failed"})  # type: ignore[attr-defined]
        assert "backend" in line(pilot, "gone")
        assert answered(pilot, "labels") and len(the(pilot).labels.table.lines) == 12
        backend.gate.clear()
        backend.revive()
        await until(pilot, lambda: answered(pilot, "explain"), turns=2000)
        assert len(backend.verbs("explain")) == 2
        assert backend.connections == 2


class Listener:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.told = 0

    def post_message(self, message: WorkChanged) -> None:
        self.told += 1


async def test_streaming_tells_the_screen_once_a_period_not_once_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {}
    async with bench(FakeBackend()) as pilot:
        app, place = the(pilot).app, the(pilot).place
        assert place is not None
        for period in (1e9, 0.0):
            monkeypatch.setattr(work_module, "PERIOD", period)
            listener = Listener()
            work = app.ask(Explain(place.source), slot="x", listener=listener, fresh=True)  # type: ignore[arg-type]
            await until(pilot, lambda work=work: work.state == "done")  # type: ignore[misc]
            told[period] = listener.told
    assert told == {1e9: 2, 0.0: 9}  # asked and ended; asked, accepted, three steps and their rows, ended
