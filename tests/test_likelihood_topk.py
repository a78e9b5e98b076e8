"""The exact best k against the full ranking: on random tries, by score and by gap, with ties and candidates."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_likelihood_grid import Texts, many, prompts

import tiny
from backends.engine.likelihood import TIE, Top, early, grid_table, make_plan, prefix_states, top_k
from backends.engine.likelihood.bounds import gap_bounds, score_bounds
from investigator.errors import ScoreError


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp(request.param)
    return tiny.load_subject(tiny.make_subject(folder, request.param))


def best(subject: Any, texts: Texts, k: int, **given: Any) -> Top:
    plan = make_plan(texts, tokens_a_step=64)
    *steps, last = top_k(subject, prompts(1), plan, k, **given)
    assert last.finished
    assert not any(step.finished for step in steps)
    assert [step.visited for step in steps] == sorted(step.visited for step in steps)
    return last


def assert_top(found: Top, values: torch.Tensor, k: int) -> None:
    """The k best values, each text with its own; what is as good as the last within a tie is named."""
    expected = values[values.isfinite()].sort(descending=True).values
    k = min(k, len(expected))
    torch.testing.assert_close(found.values, expected[:k], rtol=0, atol=1e-5)
    torch.testing.assert_close(found.values, values[found.texts], rtol=0, atol=1e-5)
    assert len(set(found.texts.tolist())) == k
    near = {i for i, value in enumerate(values.tolist()) if value > float(expected[k - 1]) - TIE + 1e-5}
    assert near <= {*found.texts.tolist(), *found.tied.tolist()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("seeded", [False, True])
@pytest.mark.parametrize("by_gap", [False, True])
@pytest.mark.parametrize("part", [8, 1024])
def test_it_is_the_top_of_the_full_ranking(
    subject: Any, monkeypatch: pytest.MonkeyPatch, seed: int, seeded: bool, by_gap: bool, part: int
) -> None:
    monkeypatch.setattr(early, "TOKENS", part)
    texts = many(400, seed=seed, vocabulary=8)
    scores = grid_table(subject, prompts(1), texts)[0]
    means = torch.randn(len(texts), generator=torch.Generator().manual_seed(seed)).double() - 5
    candidates = np.arange(0, 400, 3) if seeded else None
    found = best(subject, texts, 20, candidates=candidates, means=means if by_gap else None)
    assert_top(found, scores - means if by_gap else scores, 20)


def test_equal_texts_tie_and_the_ties_are_named(subject: Any) -> None:
    texts = many(40, seed=3) * 3
    scores = grid_table(subject, prompts(1), texts)[0]
    found = best(subject, texts, 4)
    assert_top(found, scores, 4)
    assert len(found.tied) >= 2
    last = float(found.values[-1])
    assert all(abs(float(scores[text]) - last) < 2 * TIE for text in found.tied.tolist())


def test_a_text_without_a_mean_is_left_out_and_more_than_there_are_gives_all(subject: Any) -> None:
    texts = many(30, seed=5)
    means = torch.full((30,), -5.0, dtype=torch.float64)
    means[4] = torch.nan
    scores = grid_table(subject, prompts(1), texts)[0]
    found = best(subject, texts, 100, means=means)
    assert 4 not in found.texts.tolist()
    assert_top(found, scores - means, 100)
    assert found.visited_share == pytest.approx(1.0)


def test_what_cannot_win_is_not_computed(subject: Any) -> None:
    texts = [(*ids, *ids, *ids) for ids in many(400, seed=1, vocabulary=40, longest=4)]
    scores = grid_table(subject, prompts(1), texts)[0]
    candidates = scores.argsort(descending=True)[:3].numpy()
    found = best(subject, texts, 3, candidates=candidates)
    assert_top(found, scores, 3)
    assert found.visited < found.nodes


def test_bounds_hold_for_every_text_below_a_node(subject: Any) -> None:
    texts = many(200, seed=2)
    plan = make_plan(texts, tokens_a_step=64)
    rng = np.random.default_rng(0)
    steps = np.append(-rng.exponential(2.0, plan.trie.size), 0.0)
    ends = -rng.exponential(2.0, len(texts))
    means = rng.normal(-5, 1, len(texts))
    for bounds, taken in ((score_bounds(plan), np.zeros(len(texts))), (gap_bounds(plan, means), means)):
        for text, path in enumerate(plan.trie.paths):
            nodes = path[path < plan.trie.size]
            value = (steps[nodes].sum() + ends[text]) / plan.lengths[text] - taken[text]
            assert (bounds.of(nodes, np.cumsum(steps[nodes])) >= value - 1e-9).all()


def test_a_part_of_the_vocabulary_bounds_every_log_probability(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "TOKENS", 8)
    texts = many(60, seed=4)
    states = prefix_states(subject, prompts(1))
    made = early.make_early(subject, states, make_plan(texts, tokens_a_step=64).trie)
    if subject.config.model_type == "gemma2":
        assert made is None, "its head does more than multiply"
        return
    assert made is not None
    assert int(made.inside.sum()) == 8
    hidden = torch.randn(20, tiny.WIDTH, generator=torch.Generator().manual_seed(0))
    exact = subject.head(hidden).float().log_softmax(-1)
    at = torch.arange(20).repeat_interleave(exact.shape[1])
    tokens = torch.arange(exact.shape[1]).repeat(20)
    bounds = made.log_probs(hidden, at, tokens).view_as(exact)
    assert (bounds >= exact - 1e-5).all()
    whole = (bounds - exact).mean()
    assert 0 < whole < -math.log(8 / exact.shape[1]) + 1, "what the rest of the vocabulary holds"


def test_a_source_that_is_not_a_number_is_an_error(subject: Any) -> None:
    plan = make_plan(many(20), tokens_a_step=64)
    soft = prompts(1)
    soft[0, 1, 2] = float("nan")
    with pytest.raises(ScoreError, match="not a number"):
        list(top_k(subject, soft, plan, 3))
