"""Too little memory: batches in halves with the same answers, a sentence where even that is too much, said before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import msgspec
import numpy as np
import pytest
import torch

import tiny
from backends.engine import files, saes, sampling
from backends.engine.captures import Captures
from backends.engine.doctor import fitting
from backends.engine.index import corpus_capture
from backends.engine.likelihood import pairs
from backends.engine.likelihood.pairs import pair_scores
from backends.engine.readers import drawn
from backends.engine.shortage import HALVED
from backends.engine.subject import Subject
from backends.server.encoding import failed
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.wire import CheckWorkbench, Explain, Open

ALLOCATOR = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("shortage"))


@pytest.fixture
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def short(whole: Callable[..., Any], rows: Callable[..., int], most: int, seen: list[int]) -> Callable[..., Any]:
    """Return a function that has memory for so many rows only."""

    def some(*arguments: Any, **named: Any) -> Any:
        if rows(*arguments, **named) > most:
            raise RuntimeError(ALLOCATOR)
        seen.append(rows(*arguments, **named))
        return whole(*arguments, **named)

    return some


def test_an_sae_encodes_in_halves_to_the_same_latents(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sae = engine.parts.sae(engine.parts.sae_name("", "tiny", tiny.LAYER))
    x = torch.randn(33, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    expected, seen = sae.encode_sparse(x), list[int]()
    monkeypatch.setattr(saes.PlainSae, "forward", short(saes.PlainSae.forward, lambda _, rows: len(rows), 5, seen))
    found = sae.encode_sparse(x)
    assert max(seen) <= 5 and sum(seen) == 33
    assert np.array_equal(found.latents, expected.latents)
    np.testing.assert_allclose(found.activations, expected.activations, rtol=1e-5)


def test_a_corpus_is_captured_in_halves(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, contexts = engine.parts.subject(), [(10 + n, 20, 30, 11)[: 2 + n % 3] for n in range(20)]
    expected, seen = dict(corpus_capture.capture_many(subject, contexts, [0, 1])), list[int]()
    monkeypatch.setattr(
        corpus_capture, "_capture", short(corpus_capture._capture, lambda _, several, __: len(several), 3, seen)
    )
    found = dict(corpus_capture.capture_many(subject, contexts, [0, 1]))
    assert max(seen) <= 3 and found.keys() == expected.keys()
    for index, value in found.items():
        torch.testing.assert_close(value, expected[index], rtol=0, atol=1e-5)


def test_pairs_are_scored_in_halves(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, texts = engine.parts.subject(), [(10 + n, 20) for n in range(9)]
    soft = subject.embed(torch.tensor([[10, 20, 30]])).expand(9, -1, -1)
    expected, seen = pair_scores(subject, soft, texts), list[int]()
    monkeypatch.setattr(pairs, "_scores", short(pairs._scores, lambda *given: len(given[2]), 2, seen))
    torch.testing.assert_close(pair_scores(subject, soft, texts), expected, rtol=0, atol=1e-5)
    assert max(seen) <= 2


def test_explanations_are_drawn_in_halves_and_the_answer_says_so(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verb, seen = (
        Explain(l2el.at(engine), samples=13, max_tokens=6, keep=2, temperature=0.4, controls=False),
        list[int](),
    )
    _, whole, _ = l2el.ask(engine, verb)
    monkeypatch.setattr(drawn, "draw", short(sampling.draw, lambda *_, samples, **__: samples, 4, seen))
    events, halved, _ = l2el.ask(engine, verb)
    assert (max(seen), sum(seen)) == (3, 13), "13, then 6, then 3 at a time"
    assert halved.note == HALVED and not whole.note
    assert sum(row.count for row in halved.rows) <= 13 and halved.drawn == 13
    assert any(step.message == HALVED for step in l2el.progress(events))
    _, again, _ = l2el.ask(engine, verb)
    assert again == halved, "the same seed gives the same halves"


def test_a_capture_lets_go_of_the_others_and_then_says_that_there_is_no_room(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, plain, full = engine.parts.subject(), Subject.capture, True
    kept = engine.captures.get(subject, (10, 20, 30))

    def capture(self: Any, ids: Any) -> Any:
        if engine.captures.held("tiny", (10, 20, 30)) is not None or full:
            raise MemoryError
        return plain(self, ids)

    monkeypatch.setattr(Subject, "capture", capture)
    with pytest.raises(ScoreError, match="not enough memory to read a prompt of 2 tokens"):
        engine.captures.get(subject, (10, 20))
    full = False
    engine.captures._keep(("tiny", (10, 20, 30)), kept)
    assert engine.captures.get(subject, (10, 20)).ids == (10, 20)
    assert engine.captures.held("tiny", (10, 20, 30)) is None


def test_a_prompt_whose_activations_have_no_room_is_refused_before_it_runs(engine: Any) -> None:
    engine.captures = Captures(8, most_bytes=4 * tiny.LAYERS * tiny.WIDTH * 3)
    tiny.ask(engine, Open(token_ids=(10, 20, 30)))
    with pytest.raises(BadInput, match="activations of 4 tokens take"):
        engine.resolve(Open(token_ids=(10, 20, 30, 11)))


def test_what_is_no_shortage_stays_what_it_is(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(saes.PlainSae, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        engine.parts.sae(engine.parts.sae_name("", "tiny", tiny.LAYER)).encode_sparse(torch.zeros(2, tiny.WIDTH))


def test_a_shortage_nobody_caught_is_a_sentence_too() -> None:
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(ALLOCATOR)):
        assert failed(error, CheckWorkbench(), "the log").message == "There was not enough memory for `doctor`."
    assert "fault that is not yours" in failed(RuntimeError("x"), CheckWorkbench(), "the log").message


# -- what is said beforehand -----------------------------------------------------------------------------------------


def test_the_doctor_adds_up_what_everything_takes(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = engine.settings.backend
    need = fitting.needs(engine.workbench, engine.folder, backend, 1e12)
    weights = sum(value.numel() for value in engine.parts.subject().model.state_dict().values())
    assert need.subjects in {4.0 * weights, 4.0 * engine.parts.subject().parameters}
    assert need.saes == 2 * 4 * tiny.WIDTH * tiny.LATENTS
    assert need.captures == 4 * backend.captures * tiny.LAYERS * fitting.TOKENS * tiny.WIDTH
    assert need.readers > 0

    def status(free: float) -> str:
        monkeypatch.setattr(fitting, "free_for", lambda *_, **__: (free, "this machine"))
        return next(str(row.status) for row in tiny.ask(engine, CheckWorkbench()).rows if row.name == "memory")

    assert status(1e12) == "ok"
    assert status(fitting.LIBRARIES) == "warning"
    assert status(need.subjects / 2) == "error"


def test_a_model_that_cannot_fit_is_refused_before_its_weights_are_read(
    bench: tiny.Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "free_for", lambda *_, **__: (1000.0, "this machine"))
    read: list[str] = []
    monkeypatch.setattr("backends.engine.loading.load_model", lambda *_, **__: read.append("weights"))
    with pytest.raises(WorkbenchError, match=r"does not fit: its .+ weights take .+ as bfloat16"):
        tiny.make_engine(bench)
    assert not read


def test_a_bound_of_the_container_counts_as_the_memory_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = files.free_memory()
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    monkeypatch.setattr(files, "CGROUP", tmp_path)
    assert files.free_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert files.free_memory() > 0.5 * free


def test_settings_of_the_backend_reach_the_estimate(engine: Any) -> None:
    half = msgspec.structs.replace(engine.settings.backend, dtype="bfloat16")
    one, other = (
        fitting.needs(engine.workbench, engine.folder, each, 1e12) for each in (engine.settings.backend, half)
    )
    assert other.subjects <= one.subjects
