"""The trie walk against one text at a time through the whole model, and the count of what it computes."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from backends.engine.likelihood import Plan, grid_table, make_plan, pair_scores, score_many, score_pairs
from backends.engine.likelihood.routes import walks
from backends.engine.likelihood.trie import make_trie

Texts = list[tuple[int, ...]]
SHARED: Texts = [(5, 6, 7), (5, 6, 8), (5, 6), (5,), (9,), (5, 6, 7, 10, 11), (9, 9, 9), (12,), (5, 6, 7), (40, 41, 42)]


def table_of(subject: Any, plan: Plan, count: int = 1) -> Tensor:
    """Return the scores that a walk of the plan gives."""
    table = torch.full((count, plan.texts), torch.nan, dtype=torch.float64)
    for done in score_many(subject, prompts(count), plan):
        table[done.sources.start : done.sources.stop, done.texts] = done.scores
    return table


def many(count: int, seed: int = 0, vocabulary: int = 6, longest: int = 9) -> Texts:
    """Return random texts over few tokens, so that they share, nest and repeat."""
    rng = random.Random(seed)
    return [tuple(rng.randrange(10, 10 + vocabulary) for _ in range(rng.randint(1, longest))) for _ in range(count)]


def reference(subject: Any, soft: Tensor, ids: tuple[int, ...]) -> float:
    """Return log p(text + end | soft) / tokens by one plain forward pass and one softmax over everything."""
    target = torch.tensor([*ids, subject.eos_id])
    with torch.inference_mode():
        embedded = subject.model.get_input_embeddings()(torch.tensor([ids]))
        logits = subject.model(inputs_embeds=torch.cat([soft[None], embedded], dim=1)).logits[0, len(soft) - 1 :]
    log_p = torch.log(torch.softmax(logits.double(), dim=-1))
    return float(log_p[torch.arange(len(target)), target].sum()) / len(target)


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2", "qwen3"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp(request.param)
    return tiny.load_subject(tiny.make_subject(folder, request.param))


def prompts(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, 4, tiny.WIDTH, generator=torch.Generator().manual_seed(seed))


def assert_equal(subject: Any, soft: Tensor, texts: Texts, table: Tensor) -> None:
    for source in range(len(soft)):
        for text, ids in enumerate(texts):
            expected = reference(subject, soft[source], ids)
            assert abs(float(table[source, text]) - expected) < 1e-4, (source, ids)


def test_shared_nested_single_and_repeated_texts_score_as_one_at_a_time(subject: Any) -> None:
    soft = prompts(3)
    assert_equal(subject, soft, SHARED, grid_table(subject, soft, SHARED))


def test_a_trie_of_many_rows_scores_as_one_at_a_time(subject: Any) -> None:
    soft, texts = prompts(1), many(220)
    plan = make_plan(texts, tokens_a_step=128)
    assert plan.trunk > 0
    assert len(plan.steps) > 3
    table = torch.full((1, len(texts)), torch.nan, dtype=torch.float64)
    for done in score_many(subject, soft, plan):
        table[:, done.texts] = done.scores
    assert_equal(subject, soft, texts, table)


def test_many_rows_under_several_sources_keep_their_trunks_apart(subject: Any) -> None:
    soft, texts = prompts(2), many(150, seed=5)
    table = grid_table(subject, soft, texts)
    for source in range(2):
        alone = grid_table(subject, soft[source : source + 1], texts)
        torch.testing.assert_close(table[source : source + 1], alone, rtol=0, atol=1e-5)
    assert_equal(subject, soft, texts[:20], table)


def test_pairs_score_as_one_at_a_time(subject: Any) -> None:
    texts = SHARED + many(30, seed=8)
    soft = prompts(len(texts))
    scores = pair_scores(subject, soft, texts)
    for index, ids in enumerate(texts):
        assert abs(float(scores[index]) - reference(subject, soft[index], ids)) < 1e-4


def test_a_sliding_window_shorter_than_prefix_and_text_is_kept(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path, "gemma2"))
    subject.model.config.sliding_window = 5
    for layer in subject.model.model.layers:
        if hasattr(layer.self_attn, "sliding_window") and layer.self_attn.sliding_window:
            layer.self_attn.sliding_window = 5
    soft, texts = prompts(2), many(90, seed=2)
    wide = tiny.load_subject(tmp_path)
    assert abs(reference(subject, soft[0], texts[0] * 2) - reference(wide, soft[0], texts[0] * 2)) > 1e-3
    assert_equal(subject, soft, texts, grid_table(subject, soft, texts))


class Counting:
    """A subject without fused blocks that counts what goes through its body: tokens and soft prompts."""

    def __init__(self, subject: Any) -> None:
        # The check of the family, once a model, is not counted.
        assert walks(subject)
        self._subject = subject
        self.prefixes = 0
        self.passes = 0
        self.rows: list[tuple[Tensor, Tensor]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)

    def body(self, **given: Any) -> tuple[Tensor, Any]:
        self.passes += 1
        if given.get("inputs_embeds") is not None:
            self.prefixes += len(given["inputs_embeds"])
        else:
            self.rows.append((given["input_ids"], given["position_ids"]))
        return self._subject.body(**given)  # type: ignore[no-any-return]


def test_the_prefix_and_each_distinct_beginning_are_computed_once(tmp_path: Path) -> None:
    counting = Counting(tiny.load_subject(tiny.make_subject(tmp_path, "gpt2")))
    texts = many(400, seed=4)
    plan = make_plan(texts, tokens_a_step=256)
    beginnings = {ids[: end + 1] for ids in texts for end in range(len(ids))}
    list(score_many(counting, prompts(1), plan))
    assert counting.prefixes == 1
    assert counting.passes == 1 + len(plan.steps)
    seen = Counter(int(token) for ids, _ in counting.rows for token in ids.reshape(-1))
    assert seen == Counter(ids[-1] for ids in beginnings)


@pytest.mark.parametrize("trunk", [1, 40, 10_000])
def test_a_step_needs_only_what_is_kept_when_it_runs(trunk: int) -> None:
    texts = many(900, seed=6, vocabulary=5, longest=11)
    plan = make_plan(texts, tokens_a_step=64, trunk=trunk)
    store: dict[int, int] = {}
    done: Counter[int] = Counter()
    for step in plan.steps:
        done.update(step.nodes.tolist())
        for group in step.groups:
            heads = step.nodes[group.start : group.start + group.rows * group.length : group.length]
            for head, places, depth in zip(heads, group.fetch, group.depths, strict=True):
                wanted = plan.trie.ancestors(int(head))[::-1]
                assert [store[int(place)] for place in places[:depth]] == wanted
        if step.keep >= 0:
            store.update((step.keep + place, int(node)) for place, node in enumerate(step.nodes))
    assert set(done.values()) == {1}
    assert len(done) == plan.trie.size
    assert max(store) < plan.trunk


def test_little_room_for_the_trunk_gives_the_same_scores(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path))
    texts = many(500, seed=9)
    roomy, tight = (make_plan(texts, tokens_a_step=64, trunk=room) for room in (10_000, 16))
    assert tight.trunk < roomy.trunk / 2
    torch.testing.assert_close(table_of(subject, roomy), table_of(subject, tight))


def test_trie_paths_spell_the_texts() -> None:
    texts = many(60, seed=7)
    trie = make_trie(texts)
    for ids, path, end in zip(texts, trie.paths, trie.ends, strict=True):
        nodes = [int(node) for node in path if node < trie.size]
        assert tuple(int(trie.tokens[node]) for node in nodes) == ids
        assert nodes[-1] == end


def test_closing_the_generator_stops_the_work(tmp_path: Path) -> None:
    counting = Counting(tiny.load_subject(tiny.make_subject(tmp_path, "gpt2")))
    steps = score_many(counting, prompts(1), make_plan(many(400), tokens_a_step=64))
    next(steps)
    passes = counting.passes
    steps.close()  # type: ignore[attr-defined]
    assert counting.passes == passes == 2
    assert list(steps) == []


def test_the_same_plan_gives_the_same_bits(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path))
    texts = many(120)
    first, second = grid_table(subject, prompts(2), texts), grid_table(subject, prompts(2), texts)
    assert torch.equal(first, second)
    shuffled = sorted(texts)
    assert make_plan(texts, tokens_a_step=256).name == make_plan(shuffled, tokens_a_step=256).name
    assert make_plan(texts, tokens_a_step=256).name != make_plan(texts[1:], tokens_a_step=256).name


def test_a_source_that_is_not_a_number_fails_alone(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path))
    soft = prompts(3)
    soft[1, 2, 5] = float("nan")
    table = grid_table(subject, soft, SHARED)
    assert table[1].isnan().all()
    assert_equal(subject, soft[[0, 2]], SHARED, table[[0, 2]])
    pairs = torch.full((3,), 7.0, dtype=torch.float64)
    for done in score_pairs(subject, soft, SHARED[:3]):
        pairs[done.pairs] = done.scores
    assert pairs.isnan().tolist() == [False, True, False]
