"""The Python API: typed answers from plain code, from a notebook's loop, recorded when asked, stopped with Ctrl-C."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import investigator
from fake_backend import EXAMPLE, FakeBackend
from investigator import api, wire
from investigator.errors import BackendError, BadInput, ScoreError, Stopped, WorkbenchError
from investigator.events import Answer
from investigator.records import Checkup, Features, Labels
from investigator.settings import Settings
from investigator.sources import Decoder
from investigator.wire import Explain, ShowFeatures
from sessions import open_store


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def bench(backend: FakeBackend) -> Iterator[api.Investigator]:
    with api.Investigator(backend) as opened:
        yield opened


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.005)


def test_every_verb_answers_with_its_own_record(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt = bench.open(EXAMPLE)
    assert [token.text for token in prompt.tokens][:2] == ["<bos>", "Several"]
    features = prompt.features(token=-1, order="activation")
    assert isinstance(features, Features) and features.order == "activation"
    labels = prompt.labels(labels=["ships", "ports"], limit=2)
    assert isinstance(labels, Labels) and {row.text for row in labels.rows} == {"ships", "ports"}
    assert prompt.explain(samples=8, seed=3).drawn == 8
    assert prompt.test("ships").rows[0].text == "ships"
    assert [row.text for row in bench.test(["a", "b"], [Decoder("pocket-l3", 1)]).rows] == ["a", "b"]
    assert len(prompt.lens(0).rows) == 6
    assert bench.feature(7).latent == 7
    assert isinstance(bench.doctor(), Checkup)
    assert bench.workbench.name == "pocket"
    explain = next(verb for verb in backend.verbs("explain") if isinstance(verb, Explain))
    assert (explain.temperature, explain.top_p, explain.max_tokens, explain.beta) == (1.0, 0.9, 32, 0.2)


def test_judging_goes_along_and_wordings_tried_are_counted(backend: FakeBackend) -> None:
    with api.Investigator(backend, session="whales") as bench:
        prompt = bench.open(EXAMPLE)
        assert bench.tried("ships", [prompt.source()]) == 0
        prompt.test(["ships", "ports"])
        prompt.test(
            "ports", controls=False, templates=["{}", "about {}"], wordings={"ports": ["docks"]}, drawn=True, seed=4
        )
        assert bench.tried(["boats"], [prompt.source(), prompt.source(2)]) == 2
        prompt.test("ports", tried=9)
        prompt.labels(method="proven", controls=False)
        prompt.explain(controls=False)
        found = prompt.contrast("ships", "ports", templates=())
        assert found.difference == 1.0 and found.left.text == "ships"
        prompt.contrast("ships", token=2, other=(3, 5), other_layer=1)
        assert bench.find("the sea", corpus="stories", limit=2, exact=True).exact
    tests = [verb for verb in backend.verbs("test") if isinstance(verb, wire.Test)]
    assert [verb.tried for verb in tests] == [0, 1, 9]
    here = prompt.source()
    assert tests[1] == wire.Test(
        ("ports",), (here,), "", "position", False, ("{}", "about {}"), {"ports": ("docks",)}, 1, True, 4
    )
    assert backend.verbs("labels") == [wire.RankLabels(here, method="proven", controls=False)]
    assert backend.verbs("contrast") == [
        wire.Contrast("ships", "ports", here, None, "", ()),
        wire.Contrast("ships", "ships", prompt.source(2), prompt.source((3, 5), 1)),
    ]
    assert backend.verbs("find") == [wire.Find("the sea", "stories", limit=2, exact=True)]


def test_places_are_counted_from_either_end_and_spans_are_means(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt = bench.open("a b c d")  # five tokens with the first
    where = [prompt.source(token, 2) for token in (-1, 4, slice(1, 3), (1, 3), slice(-2, None), slice(None, 2))]
    assert [(one.position, one.end) for one in where] == [(4, None), (4, None), (1, 3), (1, 3), (3, 5), (0, 2)]
    assert prompt.source().layer == 3  # the workbench's default
    for token in (5, -6, slice(3, 3), slice(4, 2), slice(0, 6), slice(0, 4, 2)):
        with pytest.raises(BadInput):
            prompt.features(token)
    with pytest.raises(BadInput, match="layers 0 to 5"):
        prompt.features(layer=6)
    assert backend.verbs("features") == []


def test_a_failed_answer_is_raised_as_what_it_is(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt = bench.open(EXAMPLE)
    backend.fail["features"] = ScoreError("The activation is nan.", "Try float32.")
    with pytest.raises(ScoreError, match=r"The activation is nan\. Try float32\."):
        prompt.features()


def test_rows_stream_as_they_come_and_leaving_stops_the_question(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt = bench.open(EXAMPLE)
    grown = [len(rows) for rows in prompt.explaining(samples=8)]
    assert grown == sorted(grown) and grown[-1] == 3 and len(grown) >= 2
    gate = backend.hold("labels")
    stream = bench.stream(wire.RankLabels(prompt.source()))
    assert next(stream).result is None
    stream.close()
    assert backend.cancelled == [backend.asked[-1].id]
    gate.set()


def test_it_works_where_an_event_loop_runs_already(backend: FakeBackend) -> None:
    async def notebook() -> int:
        with api.Investigator(backend) as bench:
            return len(bench.open(EXAMPLE).features().rows)

    assert asyncio.run(notebook()) == 6


def test_several_threads_may_ask_at_once(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt, found = bench.open(EXAMPLE), []
    threads = [
        threading.Thread(target=lambda at=at: found.append(prompt.features(at).rows[0].latent)) for at in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(100 * (at + 60) for at in range(6))


def test_answers_are_recorded_when_asked(backend: FakeBackend, tmp_path: Path) -> None:
    with api.Investigator(backend, session="from python") as bench:
        prompt = bench.open(EXAMPLE)
        answer = bench.ask(ShowFeatures(prompt.source()))
        assert bench.trouble == "" and bench.notice == ""
    with open_store() as store:
        assert [saved.kind for saved in store.answers(store.session("from python", create=False))] == [
            "open",
            "features",
        ]
        assert store.answer(answer.id).result == answer.result
    assert backend.closed == 1
    with api.Investigator(FakeBackend()) as bench:
        bench.open(EXAMPLE)
    with open_store() as store:
        assert len(store.sessions()) == 1


def test_ctrl_c_stops_the_question_keeps_what_had_come_and_the_bench_goes_on(backend: FakeBackend) -> None:
    with api.Investigator(backend, session="whales") as bench:
        prompt = bench.open(EXAMPLE)

        def press(answer: Answer) -> None:
            if answer.rows and "explain" not in backend.gate:
                backend.hold("explain")
                threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

        with pytest.raises(KeyboardInterrupt):
            bench.ask(Explain(prompt.source()), press)
        assert prompt.features().active == 6
    with open_store() as store:
        stopped = [saved for saved in store.answers() if saved.kind == "explain"]
        assert backend.cancelled == [saved.id for saved in stopped] and stopped[0].rows


def test_a_backend_that_died_and_a_workbench_that_does_not_load_are_sentences(backend: FakeBackend) -> None:
    with api.Investigator(backend) as bench:
        backend.kill()
        with pytest.raises(BackendError):
            bench.open(EXAMPLE)
    with pytest.raises(WorkbenchError, match="no workbench called 'nowhere'"), investigator.connect("nowhere") as bench:
        bench.open(EXAMPLE)


def test_connect_takes_device_and_dtype_over_the_settings(
    monkeypatch: pytest.MonkeyPatch, backend: FakeBackend
) -> None:
    made: list[tuple[str, Settings]] = []

    def local(workbench: str, settings: Settings, **_: object) -> FakeBackend:
        made.append((workbench, settings))
        return backend

    monkeypatch.setattr("backends.launch.Local", local)
    monkeypatch.setenv("INVESTIGATOR_APP_WORKBENCH", "mine.toml")
    investigator.connect(dtype="bfloat16").close()
    investigator.connect("other", device="cuda:1").close()
    assert [(name, s.backend.device, s.backend.dtype) for name, s in made] == [
        ("mine.toml", "auto", "bfloat16"),
        ("other", "cuda:1", "auto"),
    ]


def test_closing_twice_is_closing_once(backend: FakeBackend) -> None:
    bench = api.Investigator(backend)
    bench.close()
    bench.close()
    assert backend.closed == 1


def test_what_is_stopped_is_stopped(bench: api.Investigator, backend: FakeBackend) -> None:
    prompt = bench.open(EXAMPLE)
    backend.hold("explain")

    def stop() -> None:
        until(lambda: backend.verbs("explain"))
        bench._loop.run(backend.cancel(backend.asked[-1].id))

    threading.Thread(target=stop).start()
    with pytest.raises(Stopped):
        prompt.explain()
