"""The likelihood benchmarks: all sides score the same to the same numbers, and the loops are correct ones."""

from pathlib import Path
from typing import Any

import l2el_tools as l2el
import pytest
import torch

import tiny
from backends.engine import bench_likelihood
from backends.engine.bench_labels import measure_labels_ratio
from backends.engine.bench_likelihood import full, profile, text, top
from backends.engine.bench_likelihood.loop import cached_loop_scores, loop_scores, loop_sources, plain
from backends.engine.bench_likelihood.operations import node_operations
from backends.engine.bench_likelihood.sentences import sentences
from backends.engine.bench_likelihood.setting import Setting, setting
from backends.engine.likelihood.attention import adopt
from investigator.errors import BadInput, WorkbenchError
from investigator.records import Figure


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.make_engine(l2el.make_bench(tmp_path_factory.mktemp("bench")))


def test_its_figures_stand_beside_what_they_are_compared_with(engine: Any) -> None:
    figures = {figure.name: figure for figure in measure_labels_ratio(engine, sources=2, slice_seconds=0.01)}
    ratio = figures["labels_ratio"]
    seconds, loop = figures["labels_seconds"].value, figures["labels_loop_seconds"].value
    assert ratio.value is not None
    assert seconds is not None
    assert loop is not None
    assert ratio.interval is not None
    assert ratio.interval[0] <= ratio.value <= ratio.interval[1]
    assert "loop" in ratio.compared_with
    assert (figures["labels_max_abs_difference"].value or 0.0) < 1e-4
    assert figures["labels_scored"].value == len(engine.parts.labels("L").texts)


@pytest.mark.parametrize("loop", [loop_scores, cached_loop_scores])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_loops_score_as_one_text_at_a_time(engine: Any, batch: int, loop: Any) -> None:
    subject = plain(engine.parts.subject())
    texts = ["cat", "numbers and dates", "the word France", "references to capital cities"]
    ids = [tuple(subject.tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    soft = torch.randn(4, tiny.WIDTH, generator=torch.Generator().manual_seed(0))
    found: dict[int, float] = {}
    for rows, scores in loop(subject, soft, ids, batch):
        found.update(zip(rows, scores.tolist(), strict=True))
    for index, words in enumerate(texts):
        assert found[index] == pytest.approx(l2el.slow_score(engine, soft, words), abs=1e-4)


def test_the_loop_over_sources_scores_as_one_at_a_time(engine: Any) -> None:
    subject = plain(engine.parts.subject())
    soft = torch.randn(5, 4, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    ids = tuple(subject.tokenizer.encode("the word France", add_special_tokens=False))
    for rows, scores in loop_sources(subject, soft, ids, 2):
        for source, score in zip(rows, scores.tolist(), strict=True):
            assert score == pytest.approx(l2el.slow_score(engine, soft[source], "the word France"), abs=1e-4)


def test_the_loops_run_the_models_own_attention(engine: Any) -> None:
    adopt(engine.parts.subject().model)
    assert engine.parts.subject().config._attn_implementation.startswith("investigator_")
    assert plain(engine.parts.subject()).config._attn_implementation == "sdpa"


COUNT = 300


@pytest.fixture
def small(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Make all parts measure few sentences."""
    here = setting(engine, count=COUNT)
    for part in (full, top, text, profile):
        monkeypatch.setattr(part, "setting", lambda _engine: here)
    monkeypatch.setattr(top, "_SHARE", 64)
    monkeypatch.setattr(text, "_SHARE", 64)
    return here


def figures_of(part: Any, engine: Any, **given: Any) -> dict[str, Figure]:
    return {figure.name: figure for figure in part.measure(engine, **given)}


def test_a_full_ranking_is_measured_beside_both_loops(engine: Any, small: Setting) -> None:
    figures = figures_of(full, engine, sources=2)
    assert {"full_ranking_ratio", "full_ranking_ratio_cached", "matmul_share", "planning_seconds"} <= figures.keys()
    assert (figures["max_abs_difference"].value or 1.0) < 1e-4
    assert figures["sentences"].value == COUNT
    seconds, loop = figures["full_ranking_seconds"].interval, figures["loop_seconds"].interval
    ratio = figures["full_ranking_ratio"].interval
    assert seconds is not None
    assert loop is not None
    assert ratio is not None
    assert loop[0] / seconds[1] <= ratio[0] <= ratio[1] <= loop[1] / seconds[0]


def test_the_best_fifty_agree_with_the_full_ranking(engine: Any, small: Setting) -> None:
    small.table(0)
    figures = figures_of(top, engine, sources=2)
    for name in ("top50_visited_share", "top50_gap_visited_share"):
        assert 0 < (figures[name].value or 0) <= 1
    assert figures["top50_gap_ratio"].value is not None


def test_one_sentence_over_positions_agrees_with_its_loop(engine: Any, small: Setting) -> None:
    figures = figures_of(text, engine, count=3)
    assert (figures["corpus_exact_difference"].value or 1.0) < 1e-4
    assert figures["corpus_exact_ratio"].value is not None


def test_a_profile_accounts_for_all_time(engine: Any, small: Setting) -> None:
    figures = figures_of(profile, engine)
    assert sum(figure.value or 0.0 for figure in figures.values()) == pytest.approx(1.0)


def test_sentences_are_distinct_and_the_same_for_a_seed(engine: Any) -> None:
    tokenizer = engine.parts.subject().tokenizer
    made = sentences(['the word "x"', "years"], tokenizer, count=400, seed=1)
    assert len(set(made)) == 400
    assert made == sentences(['the word "x"', "years"], tokenizer, count=400, seed=1)
    assert made != sentences(['the word "x"', "years"], tokenizer, count=400, seed=2)
    assert any(sentence.startswith("the word ") for sentence in made)


def test_necessary_operations_count_each_beginning_once(engine: Any) -> None:
    here = setting(engine, count=COUNT)
    subject, nodes, slots = here.subject, here.plan.trie.size, here.reader.slots
    linear = [p for name, p in subject.model.model.layers.named_parameters() if "norm" not in name]
    body = 2 * sum(p.numel() for p in linear)
    head = 2 * subject.vocabulary * subject.width
    attention = node_operations(here) - nodes * (body + head) - slots * body
    assert 0 < attention < 0.5 * nodes * body


def test_parts_are_chosen_by_name() -> None:
    assert bench_likelihood.checked(("text", "full")) == ("full", "text")
    assert bench_likelihood.checked(()) == tuple(bench_likelihood.PARTS)
    with pytest.raises(BadInput, match="full, indexed"):
        bench_likelihood.checked(("fast",))


def test_a_workbench_without_a_reader_is_said(tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path, reader=False))
    with pytest.raises(WorkbenchError, match="no reader"):
        measure_labels_ratio(engine)
