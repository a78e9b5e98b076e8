"""Which models are walked, what happens to those that are not, and what happens when memory is short."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from test_likelihood_grid import SHARED, assert_equal, many, prompts, reference
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import tiny
from backends.engine.likelihood import grid_table, make_plan, one_text, score_many, score_text_at, top_k
from backends.engine.likelihood import walk as walking
from backends.engine.likelihood.descent import Descent
from backends.engine.likelihood.memory import HALVED, is_shortage
from backends.engine.likelihood.packed import Packed
from backends.engine.likelihood.routes import walks
from backends.engine.likelihood.splitting import halves
from investigator.errors import ScoreError


@pytest.fixture
def subject(tmp_path: Path) -> Any:
    return tiny.load_subject(tiny.make_subject(tmp_path))


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_known_families_are_walked(tmp_path: Path, family: str) -> None:
    assert walks(tiny.load_subject(tiny.make_subject(tmp_path, family)))


def test_a_model_on_which_packing_disagrees_is_scored_text_by_text(
    subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend = Packed.attend
    monkeypatch.setattr(Packed, "attend", lambda self, heads: 0.5 * attend(self, heads))
    assert not walks(subject)
    soft = prompts(2)
    assert_equal(subject, soft, SHARED, grid_table(subject, soft, SHARED))
    notes = {done.note for done in score_many(subject, soft, make_plan(SHARED, tokens_a_step=64))}
    assert notes == {"texts scored without a trie"}
    (places, scores), *rest = score_text_at(subject, soft, (5, 6))
    assert not rest
    assert len(places) == 2
    for one, score in zip(soft, scores.tolist(), strict=True):
        assert score == pytest.approx(reference(subject, one, (5, 6)), abs=1e-4)


def test_another_thread_keeps_the_models_own_attention_during_a_walk(subject: Any) -> None:
    soft, ids = prompts(1), torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        before = subject.model(input_ids=ids).logits
    steps = score_many(subject, soft, make_plan(many(300), tokens_a_step=64))
    next(steps)
    found: list[torch.Tensor] = []

    def look() -> None:
        with torch.inference_mode():
            found.append(subject.model(input_ids=ids).logits)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
        next(steps)
    for thread in threads:
        thread.join()
    list(steps)
    assert all(torch.equal(each, before) for each in found)
    assert subject.model.config._attn_implementation in ALL_ATTENTION_FUNCTIONS


def test_without_memory_for_a_batch_it_is_halved_and_said(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, soft = many(200, seed=3), prompts(1)
    expected = grid_table(subject, soft, texts)
    forward = walking.Walk._forward

    def small(self: Any, step: Any) -> None:
        if step.size > 40:
            raise torch.OutOfMemoryError("no room")
        forward(self, step)

    monkeypatch.setattr(walking.Walk, "_forward", small)
    table = torch.full((1, len(texts)), torch.nan, dtype=torch.float64)
    notes = []
    for done in score_many(subject, soft, make_plan(texts, tokens_a_step=128)):
        table[:, done.texts] = done.scores
        notes.append(done.note)
    torch.testing.assert_close(table, expected, rtol=0, atol=1e-5)
    assert notes[-1] == HALVED


def test_searches_and_single_texts_go_on_in_halves_too(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, soft = many(200, seed=3), prompts(40)
    plan = make_plan(texts, tokens_a_step=128)
    *_, expected = top_k(subject, soft[:1], plan, 10)
    alone = torch.cat([scores for _, scores in score_text_at(subject, soft, (5, 6))])
    forward, scored = Descent._forward, one_text._scores

    def small(self: Any, nodes: Any, top: int) -> Any:
        if len(nodes) > 30:
            raise torch.OutOfMemoryError("no room")
        return forward(self, nodes, top)

    def few(model: Any, soft: Any, ids: Any) -> Any:
        if len(soft) > 7:
            raise torch.OutOfMemoryError("no room")
        return scored(model, soft, ids)

    monkeypatch.setattr(Descent, "_forward", small)
    monkeypatch.setattr(one_text, "_scores", few)
    *_, found = top_k(subject, soft[:1], plan, 10)
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-5)
    assert found.note == HALVED
    assert not expected.note
    parts = list(score_text_at(subject, soft, (5, 6)))
    assert max(len(places) for places, _ in parts) <= 7
    torch.testing.assert_close(torch.cat([scores for _, scores in parts]), alone, rtol=0, atol=1e-5)


def test_without_memory_for_one_segment_a_sentence_says_so(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert walks(subject)

    def none(self: Any, step: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(walking.Walk, "_forward", none)
    with pytest.raises(ScoreError, match="not enough memory"):
        grid_table(subject, prompts(1), SHARED)


def test_other_errors_are_not_taken_for_a_shortage() -> None:
    assert not is_shortage(RuntimeError("shapes differ"))
    assert is_shortage(MemoryError())


def test_halves_hold_every_node_and_read_once() -> None:
    for step in make_plan(many(500, seed=2, longest=12), tokens_a_step=96).steps:
        parts = halves(step)
        if len(parts) == 1:
            assert sum(group.rows for group in step.groups) == 1
            continue
        first, second = parts
        assert [*first.nodes, *second.nodes] == step.nodes.tolist()
        assert [*first.reads[2], *second.reads[2]] == step.reads[2].tolist()
        for part in parts:
            assert sum(group.rows * group.length for group in part.groups) == part.size
            assert part.reads[0].min(initial=0) >= 0
            assert part.reads[0].max(initial=0) < part.size


def test_no_texts_give_no_scores(subject: Any) -> None:
    plan = make_plan([], tokens_a_step=64)
    assert list(score_many(subject, prompts(1), plan)) == []
    assert plan.name.startswith("trie")


def test_bfloat16_is_close(tmp_path: Path) -> None:
    whole = tiny.load_subject(tiny.make_subject(tmp_path))
    half = tiny.load_subject(tmp_path)
    half.model.to(torch.bfloat16)
    half = type(half)("half", half.model, half.tokenizer)
    texts = many(60, seed=4)
    assert walks(half)
    expected, found = grid_table(whole, prompts(1), texts), grid_table(half, prompts(1), texts)
    assert float((expected - found).abs().max()) < 0.3
