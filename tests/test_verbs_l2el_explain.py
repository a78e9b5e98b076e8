"""`explain`: sampling, seeds, scores and the diverse order against slow references."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import pytest
import torch

import tiny
from backends.engine.likelihood.states import one_prefix
from backends.engine.mmr import bigrams, diverse, jaccard
from backends.engine.sampling import choose, draw, nucleus
from investigator.errors import BadInput
from investigator.records import Explanations
from investigator.wire import Explain


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("explain"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def small(engine: Any, **changed: Any) -> Explain:
    return Explain(l2el.at(engine), **({"samples": 12, "max_tokens": 8, "keep": 3, "temperature": 0.4} | changed))


def slow_nucleus(row: list[float], top_p: float) -> set[int]:
    kept, mass = set(), 0.0
    for token in sorted(range(len(row)), key=lambda i: -row[i]):
        kept.add(token)
        mass += row[token]
        if mass > top_p:
            break
    return kept


@pytest.mark.parametrize("vocabulary", [7, 40_000])
def test_the_nucleus_is_the_smallest_set_that_exceeds_the_mass(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (4 * torch.randn(3, vocabulary, generator=generator).double()).softmax(-1)
    for top_p in (0.05, 0.5, 0.9, 1.0):
        kept = nucleus(probabilities, top_p)
        torch.testing.assert_close(kept.sum(-1), torch.ones(3, dtype=torch.float64))
        for row in range(3):
            assert set(kept[row].nonzero()[:, 0].tolist()) == slow_nucleus(probabilities[row].tolist(), top_p)
        kept_mass = probabilities.masked_fill(kept == 0, 0)
        torch.testing.assert_close(kept, kept_mass / kept_mass.sum(-1, keepdim=True))


def test_drawn_tokens_follow_the_tempered_distribution() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -3.0]).expand(20_000, 4)
    tokens = choose(logits, temperature=0.5, top_p=0.99, generator=torch.Generator().manual_seed(1))
    expected = (torch.tensor([2.0, 1.0, 0.0]).double() / 0.5).softmax(-1)
    for token in range(3):
        assert float((tokens == token).double().mean()) == pytest.approx(float(expected[token]), abs=0.015)
    assert not bool((tokens == 3).any())
    assert choose(logits[:5], temperature=0, top_p=0.9, generator=torch.Generator()).tolist() == [0] * 5


def test_cached_drawing_equals_a_model_that_reads_everything_again(engine: Any, bench: tiny.Tiny) -> None:
    subject = engine.parts.subject()
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    steps = draw(subject, one_prefix(subject, soft[None]), samples=3, temperature=0, top_p=0.9, max_tokens=6, seed=0)
    (drawn, *_) = [done for step in steps for done in step]
    greedy: list[int] = []
    while len(greedy) < 6:
        with torch.inference_mode():
            embedded = subject.embed(torch.tensor([greedy], dtype=torch.long))
            logits = subject.model(inputs_embeds=torch.cat([soft[None], embedded], 1)).logits[0, -1]
        if int(logits.argmax()) == subject.eos_id:
            break
        greedy.append(int(logits.argmax()))
    assert list(drawn.ids) == greedy


def test_mmr_is_the_greedy_maximum_of_the_paper_s_formula() -> None:
    rng = random.Random(3)
    words = ["the", "word", "sea", "references", "to"]
    texts = list(dict.fromkeys(" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(30)))
    values = [rng.uniform(-5, -1) for _ in texts]
    low, high = min(values), max(values)
    chosen: list[int] = []
    while len(chosen) < 8:
        marks = {}
        for i in (i for i in range(len(texts)) if i not in chosen):
            alike = max((jaccard(bigrams(texts[i]), bigrams(texts[j])) for j in chosen), default=0.0)
            marks[i] = 0.2 * (values[i] - low) / (high - low) - 0.8 * alike
        chosen.append(max(marks, key=lambda i: marks[i]))
    assert diverse(texts, values, beta=0.2, keep=8) == chosen
    assert diverse(texts, values, beta=1.0, keep=3) == sorted(range(len(texts)), key=lambda i: -values[i])[:3]
    assert diverse([], [], beta=0.2, keep=3) == []
    assert jaccard(bigrams("The sea was calm"), bigrams("the sea is calm")) == pytest.approx(1 / 5)
    assert jaccard(bigrams("sea"), bigrams("Sea")) == 1.0


def test_rows_are_distinct_counted_scored_and_ordered(engine: Any, bench: tiny.Tiny) -> None:
    events, result, provenance = l2el.ask(engine, small(engine))
    assert isinstance(result, Explanations)
    assert result.drawn == 12
    assert result.distinct == len({row.text for row in result.rows}) == len(result.rows)
    assert sum(row.count for row in result.rows) <= 12
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    scored = [row for row in result.rows if row.score.error is None]
    for row in scored:
        assert row.score.score == pytest.approx(l2el.slow_score(engine, soft, row.text), abs=1e-4)
    values = {row.text: row.score.score or 0.0 for row in scored}
    rest = [values[row.text] for row in scored[3:]]
    assert rest == sorted(rest, reverse=True)
    pool = sorted(values, key=lambda text: -values[text])
    order = diverse(pool, [values[text] for text in pool], beta=0.2, keep=3)
    assert [row.text for row in scored[:3]] == [pool[i] for i in order]
    assert [row.rank for row in result.rows] == list(range(1, len(result.rows) + 1))
    assert provenance.seed == 0
    assert "12 samples" in provenance.plan
    drawing = [event.done for event in l2el.progress(events) if "drawing" in event.message]
    assert drawing == sorted(drawing)


def test_the_kept_texts_have_gap_and_p_over_64_places(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, small(engine, keep=2))
    first, *_ = result.rows
    background = l2el.slow_background(engine, bench, first.text, 64)
    assert first.score.gap == pytest.approx(first.score.score - math.fsum(background) / 64, abs=2e-4)
    assert first.score.background == 64
    assert all(row.score.gap is None for row in result.rows[2:])


def test_a_seed_gives_the_same_bits_and_another_other_texts(engine: Any, bench: tiny.Tiny) -> None:
    first = l2el.ask(engine, small(engine, seed=5))[1]
    fresh = tiny.make_engine(bench)
    assert l2el.ask(fresh, small(fresh, seed=5))[1] == first
    assert {r.text for r in l2el.ask(engine, small(engine, seed=6))[1].rows} != {r.text for r in first.rows}


def test_every_partial_text_comes_back_in_the_result(engine: Any) -> None:
    events, result, _ = l2el.ask(engine, small(engine, samples=30))
    final = {row.key for row in result.rows}
    assert {row.key for row in l2el.partial_rows(events)} == final


def test_a_training_label_word_for_word_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = l2el.make_bench(tmp_path)
    rows = tiny.label_rows()
    for row in rows:
        row["split"] = "unseen" if row["description"] == "numbers and dates" else "train"
    tiny.write_labels(bench.labels, rows)
    engine = tiny.make_engine(bench)
    subject = engine.parts.subject()
    texts = itertools.cycle(["names of animals", "numbers and dates", "something else"])
    monkeypatch.setattr(type(subject), "decode", lambda _self, _ids: next(texts))
    result = l2el.ask(engine, small(engine, keep=0))[1]
    assert {row.text: row.verbatim for row in result.rows} == {
        "names of animals": True,
        "numbers and dates": False,
        "something else": False,
    }
    assert {row.count for row in result.rows} == {4}


def test_closing_it_while_drawing_stops_the_model(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = engine.parts.subject()
    calls: list[int] = []
    body = subject.body

    def counting(**given: Any) -> Any:
        calls.append(1)
        return body(**given)

    monkeypatch.setattr(subject, "body", counting)
    verb, _ = engine.resolve(small(engine, max_tokens=30, temperature=1.0))
    steps = engine.run(verb)
    while len(calls) < 4:
        next(steps)
    steps.close()
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("samples", 0), ("temperature", -1.0), ("temperature", math.nan), ("top_p", 0.0), ("top_p", 1.5), ("beta", 2.0)],
)
def test_sampling_numbers_out_of_range_are_said(engine: Any, name: str, value: float) -> None:
    with pytest.raises(BadInput, match=name):
        engine.resolve(small(engine, **{name: value}))
    with pytest.raises(BadInput, match="max_tokens"):
        engine.resolve(small(engine, max_tokens=1000))
