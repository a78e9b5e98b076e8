"""`compare`: two tiny models, each column against the plain question that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import l2el_tools
import msgspec
import numpy as np
import pytest
import tiny_pair
import torch

import tiny
from backends.engine.crossmodel import agreeing, places
from investigator.errors import BadInput, WorkbenchError
from investigator.records import Compared, ComparedRow, Explanations
from investigator.sources import Decoder, Mapped, Mean, Residual, Sum, Weighted
from investigator.tables import tables_of
from investigator.wire import Compare, Explain, Partial, RankLabels

TEXT = "The cat saw the capital before dawn."
HOW: dict[str, Any] = {"samples": 3, "keep": 2, "max_tokens": 6, "others": 2}


class Words:
    """An embedder that a test can follow: one axis a first letter."""

    name = "first letters"

    def embed(self, texts: Any) -> Any:
        found = np.zeros((len(texts), 257), np.float32)
        for row, text in zip(found, texts, strict=True):
            row[min(ord(text[0]), 256)] = 1.0
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tiny.Tiny]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INVESTIGATOR_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr("backends.engine.embedding.reference", lambda folder: Words())
        yield tiny_pair.make_mapped_bench(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def source(engine: Any) -> Residual:
    ids = tuple(engine.parts.subject("tiny").encode(TEXT))
    return Residual("tiny", ids, 2, len(ids) - 3)


@pytest.fixture(scope="module")
def answer(engine: Any) -> tuple[Any, Compared, Any]:
    events, result, provenance = l2el_tools.ask(engine, Compare(source(engine), controls=True, **HOW))
    return events, result, provenance


def drawn(engine: Any, at: Any, reader: str, seed: int = 0) -> tuple[str, ...]:
    verb = Explain(at, reader, samples=3, max_tokens=6, beta=1.0, keep=2, controls=False, seed=seed)
    found: Explanations = l2el_tools.ask(engine, verb)[1]
    return tuple(row.text for row in found.rows[:2])


def texts(row: ComparedRow, column: str) -> tuple[str, ...]:
    found = row.reading(column)
    assert found is not None, column
    return found.texts


def test_every_column_is_the_plain_question_that_it_stands_for(engine: Any, answer: Any) -> None:
    row = next(row for row in answer[1].rows if row.method == "drawn")
    at = source(engine)
    other = engine.parts.subject("other")
    ids = tuple(other.encode(TEXT))
    here = engine.parts.subject("tiny").decode(at.token_ids[: at.position + 1])
    there = next(n for n in range(len(ids)) if len(other.decode(ids[: n + 1])) >= len(here))
    assert texts(row, "own") == drawn(engine, at, "mapper")
    for column, read in (
        ("native", Residual("other", ids, 1, there)),
        ("mapped", Mapped(at, "there")),
        ("washed", Mapped(at, "there", 0.5)),
        ("mean", Mean("other", 1)),
        ("permuted map", Mapped(at, "there/permuted")),
    ):
        # Drawn with another seed than model A's texts, which must not agree by common random numbers.
        assert texts(row, column) == drawn(engine, read, "there", seed=7919), column
    assert texts(row, "own again") == drawn(engine, at, "mapper", seed=1)


def test_labels_are_ranked_by_each_model_s_own_reader(engine: Any, answer: Any) -> None:
    row = next(row for row in answer[1].rows if row.method == "labels")
    for column, at, reader in (
        ("own", source(engine), "mapper"),
        ("mapped", Mapped(source(engine), "there"), "there"),
    ):
        found = l2el_tools.ask(engine, RankLabels(at, reader, limit=2, controls=False))[1]
        assert texts(row, column) == tuple(one.text for one in found.rows)
    assert row.reading("own again") is None  # nothing is drawn, so a second reading says the same


def test_agreement_and_lift_are_reckoned_over_other_sources(engine: Any, answer: Any) -> None:
    row = next(row for row in answer[1].rows if row.method == "drawn")
    others = places.others(engine, source(engine), 2, 0)
    assert len(set(others)) == 2
    elsewhere = [drawn(engine, places.read_as(other), "mapper") for other in others]
    for column in ("mapped", "washed", "native", "another source"):
        reading = row.reading(column)
        assert reading is not None
        slow = [np.mean([a[0] == b[0] for a in reading.texts for b in own]) for own in (texts(row, "own"), *elsewhere)]
        assert reading.agreement == pytest.approx(slow[0])
        assert reading.lift == pytest.approx(slow[0] - np.mean(slow[1:]))
        assert reading.p == pytest.approx((1 + sum(one >= slow[0] for one in slow[1:])) / 3)
    assert answer[1].embedder == "first letters"
    assert answer[1].others == 2


def test_rows_stream_and_the_same_question_gives_the_same_answer(engine: Any, answer: Any) -> None:
    events, result, provenance = answer
    partial = [row for event in events if isinstance(event, Partial) for row in event.rows]
    assert partial
    assert {row.key for row in partial} == {row.key for row in result.rows} == {"drawn:there", "labels:there"}
    again = l2el_tools.ask(engine, Compare(source(engine), controls=True, **HOW))[1]
    assert msgspec.json.encode(again) == msgspec.json.encode(result)
    assert {"map", "source model", "target model", "own reader", "reader there"} <= provenance.parts.keys()
    assert b"NaN" not in msgspec.json.encode(result)


def test_the_map_says_what_it_is_worth_beside_what_knows_nothing(answer: Any) -> None:
    facts = answer[1].map
    assert (facts.name, facts.kind, facts.penalty, facts.sentences) == ("there", "ridge", 1.0, 72)
    assert facts.cosine is not None
    assert facts.mean_cosine is not None
    assert facts.cosine > facts.mean_cosine
    titles = {table.title: table for table in tables_of(answer[1])}
    said = " ".join(cell for row in titles["Map"].rows for cell in row)
    assert "shuffled pairs" in said
    assert "mean predictor" in said
    columns = {row[2] for row in titles["Comparison"].rows}
    assert {"own (A's reader)", "native (B's own)", "mapped (C1)", "washed (C2)"} <= columns
    assert "control: permuted map" in columns


def test_a_direction_is_compared_with_other_latents_and_has_no_text_of_its_own(engine: Any) -> None:
    verb = Compare(Decoder("L", 4), methods=("drawn",), **HOW)
    result: Compared = l2el_tools.ask(engine, verb)[1]
    row = result.rows[0]
    native = row.reading("native")
    assert native is not None
    assert "A direction has no text" in native.note
    assert texts(row, "own") == drawn(engine, Sum((Weighted(1.0, Decoder("L", 4)),)), "mapper")
    others = places.others(engine, Decoder("L", 4), 5, 0)
    labels = engine.parts.labels("L")
    assert all(not set(labels.labels_of(4)) & set(labels.labels_of(one.latent)) for one in others)


def test_readers_that_take_no_mean_off_get_directions_alone(engine: Any) -> None:
    verb = Compare(Decoder("L", 4), readers=("patchscopes",), methods=("drawn",), **HOW)
    row = l2el_tools.ask(engine, verb)[1].rows[0]
    bare = Mapped(Decoder("L", 4), "there", bare=True)
    assert texts(row, "mapped") == drawn(engine, bare, "patchscopes", seed=7919)
    whole, mean = engine.vector(Mapped(Decoder("L", 4), "there")), engine.parts.layer_statistics("other").mean[1]
    vector = engine.vector(bare)
    assert float(vector.norm()) == pytest.approx(engine.parts.layer_statistics("other").norm(1), rel=1e-5)
    assert torch.nn.functional.cosine_similarity(vector, whole - mean, dim=0) == pytest.approx(1.0)


def test_without_washout_there_is_no_washed_column(engine: Any) -> None:
    result: Compared = l2el_tools.ask(engine, Compare(source(engine), wash=0.0, methods=("drawn",), **HOW))[1]
    assert [one.column for one in result.rows[0].readings] == ["own", "native", "mapped"]
    assert result.rows[0].controls == ()


def test_without_an_embedder_there_is_no_agreement_and_it_is_said(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = WorkbenchError("No sentence embedder is there.", "Install one.")
    monkeypatch.setattr(agreeing, "embedder_of", lambda engine: (None, str(trouble)))
    monkeypatch.setattr("backends.engine.crossmodel.comparing.embedder_of", lambda engine: (None, str(trouble)))
    result: Compared = l2el_tools.ask(engine, Compare(source(engine), methods=("drawn",), **HOW))[1]
    assert result.note == "No sentence embedder is there. Install one."
    assert result.embedder == ""
    assert all(one.agreement is None and one.lift is None for row in result.rows for one in row.readings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"map": "nowhere"}, "no map 'nowhere'"),
        ({"wash": 2.0}, "washout weight cannot be 2"),
        ({"readers": ("mapper",)}, "mapper reads layer 2 of tiny, not layer 1 of other"),
        ({"own": "there"}, "there reads layer 1 of other, not layer 2 of tiny"),
        ({"others": -1}, "-1 other sources"),
        ({"keep": 0}, "keeps one text"),
        ({"methods": ()}, "No method"),
        ({"samples": 0}, "samples cannot be 0"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(engine: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        engine.resolve(Compare(source(engine), **given))


def test_a_workbench_without_maps_says_how_to_make_one(tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path))
    with pytest.raises(BadInput, match="no map between models"):
        engine.resolve(Compare(source(engine)))


def test_a_reader_that_fails_leaves_the_other_columns(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.engine.verbs import explain

    plain = explain.resolve

    def failing(engine: Any, verb: Any) -> Any:
        if verb.reader == "there" and isinstance(verb.source, Mapped) and verb.source.wash:
            raise BadInput("The washed source is bad.", "Do something.")
        return plain(engine, verb)

    resolved, _ = engine.resolve(Compare(source(engine), wash=0.37, methods=("drawn",), **HOW))
    monkeypatch.setattr(explain, "resolve", failing)
    *_, last = engine.run(resolved)
    row = last.result.rows[0]
    washed, mapped = row.reading("washed"), row.reading("mapped")
    assert washed is not None
    assert mapped is not None
    assert washed.error == "The washed source is bad. Do something."
    assert washed.agreement is None
    assert mapped.texts
