"""`labels`: scores, gaps, order, ties, activations and the frontier against slow references; bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import pytest
import torch
from safetensors.torch import load_file

import tiny
from investigator.errors import BadInput, ScoreError
from investigator.records import LabelRow, Labels
from investigator.sources import Decoder, Difference, Mean, Random, Source
from investigator.wire import RankLabels


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


@pytest.fixture
def ranked(engine: Any) -> Labels:
    result: Labels = l2el.ask(engine, RankLabels(l2el.at(engine), order="score", limit=1000))[1]
    return result


def distinct_labels() -> list[str]:
    return list(dict.fromkeys(row["description"] for row in tiny.label_rows()))


def test_every_label_has_the_slow_reference_s_score(engine: Any, bench: tiny.Tiny, ranked: Labels) -> None:
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    assert {row.text for row in ranked.rows} == set(distinct_labels())
    for row in ranked.rows:
        assert row.score.score is not None
        assert abs(row.score.score - l2el.slow_score(engine, soft, row.text)) < 1e-4
    assert ranked.total == len(ranked.rows)
    assert ranked.failed == 0


def test_activation_beside_a_label_is_the_largest_of_its_latents(engine: Any, bench: tiny.Tiny, ranked: Labels) -> None:
    with torch.inference_mode():
        post = engine.parts.sae("L").encode(l2el.slow_hidden(engine)[-1][None])[0]
    by_text: dict[str, list[int]] = {}
    for row in tiny.label_rows():
        by_text.setdefault(row["description"], []).append(int(row["index"]))
    assert any(row.activation > 0 for row in ranked.rows)
    for found in ranked.rows:
        assert sorted(found.latents) == by_text[found.text]
        assert found.activation == pytest.approx(float(post[by_text[found.text]].max()), abs=1e-5)


def test_gap_and_p_are_against_the_first_64_background_positions(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, RankLabels(l2el.at(engine), limit=1000))
    for row in result.rows[:2]:
        background = l2el.slow_background(engine, bench, row.text, 64)
        score = row.score
        assert score.gap == pytest.approx(score.score - sum(background) / 64, abs=2e-4)
        assert score.background == 64
        above = sum(other >= score.score for other in background)
        assert abs(score.p * 65 - 1 - above) <= 1 + 1e-9
    gaps = [row.score.gap for row in result.rows]
    assert gaps == sorted(gaps, reverse=True)


def test_orders_differ_in_what_falls(engine: Any) -> None:
    by_activation = l2el.ask(engine, RankLabels(l2el.at(engine), order="activation", limit=1000))[1]
    values = [row.activation for row in by_activation.rows]
    assert values == sorted(values, reverse=True)
    top = l2el.ask(engine, RankLabels(l2el.at(engine), order="activation", limit=3))[1]
    assert [row.text for row in top.rows] == [row.text for row in by_activation.rows[:3]]


def test_the_frontier_is_what_nothing_beats_on_both_axes(ranked: Labels) -> None:
    points = [(row.activation, row.score.score, row.text) for row in ranked.rows if row.score.score is not None]
    undominated = {
        text for x, y, text in points if not any((a >= x and b >= y) and (a > x or b > y) for a, b, _ in points)
    }
    assert {point.text for point in ranked.frontier} == undominated
    assert [point.activation for point in ranked.frontier] == sorted(
        (point.activation for point in ranked.frontier), reverse=True
    )
    active = {row.text for row in ranked.rows if row.activation > 0}
    assert {point.text for point in ranked.points} == active | undominated


def test_own_sentences_are_ranked_with_their_background_and_failures_are_said(engine: Any, bench: tiny.Tiny) -> None:
    own = ("numbers and dates", "  numbers and dates ", "", "cat", "a <|eos|> b", "word " * 90)
    _, result, _ = l2el.ask(engine, RankLabels(l2el.at(engine), labels=own))
    good = [row for row in result.rows if row.score.error is None]
    bad = {row.text: row.score for row in result.rows if row.score.error is not None}
    assert {row.text for row in good} == {"numbers and dates", "cat"}
    assert result.failed == 3
    assert all(score.score is None and score.gap is None and score.p is None for score in bad.values())
    assert "special token" in (bad["a <|eos|> b"].error or "")
    assert "Shorten" in (bad[("word " * 90).strip()].error or "")
    for row in good:
        background = l2el.slow_background(engine, bench, row.text, 64)
        assert row.score.gap == pytest.approx(row.score.score - sum(background) / 64, abs=2e-4)
    assert good[0].rank == 1


def test_filter_keeps_the_rank_in_the_whole_ranking(engine: Any, ranked: Labels) -> None:
    asked = RankLabels(l2el.at(engine), order="score", filter="animals")
    filtered = l2el.ask(engine, asked)[1]
    whole = {row.text: row.rank for row in ranked.rows}
    assert [row.text for row in filtered.rows] == ["names of animals"]
    assert filtered.rows[0].rank == whole["names of animals"]
    high = l2el.ask(engine, RankLabels(l2el.at(engine), order="score", filter="act>0", limit=1000))[1]
    assert {row.text for row in high.rows} == {row.text for row in ranked.rows if row.activation > 0}


def test_all_kinds_of_source_can_be_ranked(engine: Any, bench: tiny.Tiny) -> None:
    statistics = load_file(bench.statistics / "layers.safetensors")
    hidden = l2el.slow_hidden(engine)
    mean = statistics["mean"][tiny.LAYER]
    decoder = load_file(bench.sae / "sae_weights.safetensors")["W_dec"][5]
    norm = statistics["background"][tiny.LAYER].norm(dim=-1).mean()
    vectors: dict[Source, torch.Tensor] = {
        l2el.at(engine, 1, 4): hidden[1:4].mean(0),
        Mean("", -1): mean,
        Decoder("L", 5): decoder / decoder.norm() * norm,
        Difference(l2el.at(engine, 2), l2el.at(engine, 3)): mean + hidden[2] - hidden[3],
    }
    for source, vector in vectors.items():
        result = l2el.ask(engine, RankLabels(source, order="score", labels=("cat",)))[1]
        expected = l2el.slow_score(engine, l2el.slow_soft(bench, vector), "cat")
        assert result.rows[0].score.score == pytest.approx(expected, abs=1e-4)
    drawn = [
        l2el.ask(engine, RankLabels(Random("", -1, seed), order="score", labels=("cat",)))[1].rows[0].score.score
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_rows_stream_in_before_the_end_and_each_as_it_will_stay(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.engine.readers.label_stages.PAUSE", -1.0)
    events, result, provenance = l2el.ask(engine, RankLabels(l2el.at(engine), order="score", limit=1000))
    streamed = {row.key: row for row in l2el.partial_rows(events) if isinstance(row, LabelRow)}
    final = {row.key: row for row in result.rows}
    assert streamed.keys() == final.keys()
    assert all(streamed[key].score.score == final[key].score.score for key in final)
    assert [p.total for p in l2el.progress(events)][-1] == result.total
    assert provenance.plan.startswith("trie, ")
    assert {"reader", "labels", "sae", "statistics", "subject"} <= provenance.parts.keys()


def test_a_reader_s_shipped_means_are_used_and_foreign_ones_are_not(tmp_path: Path) -> None:
    bench = l2el.make_bench(tmp_path)
    engine = tiny.make_engine(bench)
    _, first, _ = l2el.ask(engine, RankLabels(l2el.at(engine), limit=1000))
    from backends.engine.readers import label_means
    from backends.engine.readers.reader import open_reader

    means = label_means.label_means(engine, open_reader(engine, "mapper"))
    assert means is not None
    folder = bench.folder / "readers" / "mapper"
    means.save(folder, engine.parts.labels("L").list_fingerprint)
    again = tiny.make_engine(bench)
    events, shipped, _ = l2el.ask(again, RankLabels(l2el.at(again), limit=1000))
    assert not any("background" in event.message for event in l2el.progress(events))
    for left, right in zip(first.rows, shipped.rows, strict=True):
        assert left.text == right.text
        assert left.score.gap == pytest.approx(right.score.gap, abs=1e-5)
        assert left.score.p == right.score.p
    card = folder / label_means.CARD
    card.write_text(json.dumps(json.loads(card.read_text()) | {"labels": "another list"}))
    foreign = label_means.LabelMeans(means.reader, means.prepared, means.vectors)
    assert not foreign.read(folder, engine.parts.labels("L").list_fingerprint)


def test_measured_means_are_kept_in_the_cache_and_a_stopped_measuring_goes_on(tmp_path: Path) -> None:
    bench = l2el.make_bench(tmp_path)
    engine = tiny.make_engine(bench)
    verb, _ = engine.resolve(RankLabels(l2el.at(engine), limit=5))
    steps = engine.run(verb)
    for _ in range(40):
        next(steps)
    steps.close()
    events, _, _ = l2el.ask(engine, RankLabels(l2el.at(engine), limit=5))
    done = [event.done for event in l2el.progress(events) if "background" in event.message]
    assert done[0] > 5
    assert done[-1] == 64
    again = tiny.make_engine(bench)
    events, _, _ = l2el.ask(again, RankLabels(l2el.at(again), limit=5))
    assert not any("background" in event.message for event in l2el.progress(events))


def test_without_statistics_the_order_is_by_score_and_no_gap_is_made_up(tmp_path: Path) -> None:
    engine = tiny.make_engine(l2el.make_bench(tmp_path, statistics=False))
    verb, _ = engine.resolve(RankLabels(l2el.at(engine)))
    assert verb.order == "score"
    _, result, _ = l2el.ask(engine, RankLabels(l2el.at(engine)))
    assert all(row.score.score is not None and row.score.gap is None and row.score.p is None for row in result.rows)


def test_what_cannot_be_asked_is_said(engine: Any) -> None:
    with pytest.raises(BadInput, match="No reader reads layer 0"):
        engine.resolve(RankLabels(l2el.at(engine, layer=0)))
    with pytest.raises(BadInput, match="no reader 'other'"):
        engine.resolve(RankLabels(l2el.at(engine), reader="other"))
    with pytest.raises(BadInput, match="paper reads layer 1"):
        engine.resolve(RankLabels(l2el.at(engine), reader="paper"))
    with pytest.raises(BadInput, match="no label set"):
        engine.resolve(RankLabels(l2el.at(engine, layer=1)))
    with pytest.raises(BadInput, match="no sentences"):
        engine.resolve(RankLabels(l2el.at(engine), labels=()))
    with pytest.raises(BadInput, match="0 rows"):
        engine.resolve(RankLabels(l2el.at(engine), limit=0))
    with pytest.raises(BadInput, match="cannot be read"):
        engine.resolve(RankLabels(l2el.at(engine), filter="size>3"))


def test_a_source_that_is_not_a_number_is_an_error_and_never_a_score(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, _ = engine.resolve(RankLabels(l2el.at(engine), order="score"))
    monkeypatch.setattr(type(engine), "vector", lambda _self, _source: torch.full((tiny.WIDTH,), float("nan")))
    with pytest.raises(ScoreError, match="NaN"):
        list(engine.run(verb))
