"""`test`: a hypothesis at a place, at every position and layer, and over a table, against slow references."""

from __future__ import annotations

import functools
import math
from typing import Any

import l2el_tools as l2el
import pytest
import torch

import tiny
from investigator import wire
from investigator.errors import BadInput
from investigator.records import HypothesisRow
from investigator.sources import Mean, Residual

as_typed = functools.partial(wire.Test, templates=(), controls=False)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("test"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def test_score_gap_p_and_background_at_one_place(engine: Any, bench: tiny.Tiny) -> None:
    _, result, provenance = l2el.ask(engine, as_typed(("references to capital cities",), (l2el.at(engine),)))
    (row,) = result.rows
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    assert row.score.score == pytest.approx(l2el.slow_score(engine, soft, row.text), abs=1e-4)
    assert len(row.background) == row.score.background == 512
    for place, expected in enumerate(l2el.slow_background(engine, bench, row.text, 12)):
        assert row.background[place] == pytest.approx(expected, abs=1e-4)
    assert row.score.gap == pytest.approx(row.score.score - math.fsum(row.background) / 512, abs=1e-9)
    above = sum(other >= row.score.score for other in row.background)
    assert row.score.p == (1 + above) / 513
    assert row.score.tokens == len(engine.parts.subject().tokenizer.encode(row.text, add_special_tokens=False)) + 1
    assert (row.layer, row.position, row.prompt) == (tiny.LAYER, len(l2el.ids_of(engine)) - 1, 0)
    assert result.reader == "mapper"
    assert provenance.plan


def test_every_position_has_its_score_and_special_tokens_an_error(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, as_typed(("cat", "the word France"), (l2el.at(engine),), scope="positions"))
    hidden = l2el.slow_hidden(engine)
    for row in result.rows:
        assert len(row.positions) == len(l2el.ids_of(engine))
        assert row.positions[0].error is not None
        assert row.positions[0].score is None
        for place in range(1, len(row.positions)):
            expected = l2el.slow_score(engine, l2el.slow_soft(bench, hidden[place]), row.text)
            assert row.positions[place].score == pytest.approx(expected, abs=1e-4)
            assert row.positions[place].background == 512
        assert row.positions[-1].score == pytest.approx(row.score.score, abs=1e-6)
        assert row.layers == ()


def test_every_layer_with_a_reader_has_its_own_scores_and_background(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, as_typed(("cat",), (l2el.at(engine),), scope="layers"))
    (row,) = result.rows
    by_layer = dict(row.layers)
    assert by_layer.keys() == {l2el.SECOND_LAYER, tiny.LAYER}
    other = by_layer[l2el.SECOND_LAYER]
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine, l2el.SECOND_LAYER)[3], reader="paper")
    assert other[3].score == pytest.approx(l2el.slow_score(engine, soft, "cat"), abs=1e-4)
    background = l2el.slow_background(engine, bench, "cat", 512, reader="paper")
    assert other[3].gap == pytest.approx(other[3].score - math.fsum(background) / 512, abs=1e-4)
    assert by_layer[tiny.LAYER] == row.positions


def test_a_table_of_prompts_gives_one_row_each(engine: Any, bench: tiny.Tiny) -> None:
    other = tuple(engine.parts.subject().encode("names of animals"))
    sources = (l2el.at(engine), Residual("", other, -1, -1))
    _, result, _ = l2el.ask(engine, as_typed(("cat", "dog"), sources))
    assert [(row.prompt, row.text) for row in result.rows] == [(0, "cat"), (0, "dog"), (1, "cat"), (1, "dog")]
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine, prompt="names of animals")[-1])
    assert result.rows[3].score.score == pytest.approx(l2el.slow_score(engine, soft, "dog"), abs=1e-4)
    assert all(row.score.p is not None and row.background == () for row in result.rows)


def test_the_background_is_measured_once_a_text(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    l2el.ask(engine, as_typed(("a new sentence",), (l2el.at(engine, 2),)))
    subject = engine.parts.subject()
    positions = []
    body = subject.body

    def counting(**given: Any) -> Any:
        positions.append(next(given[key] for key in ("input_ids", "inputs_embeds") if key in given).shape[:2].numel())
        return body(**given)

    monkeypatch.setattr(subject, "body", counting)
    events, result, _ = l2el.ask(engine, as_typed(("a new sentence",), (l2el.at(engine, 3),)))
    assert sum(positions) < 64
    assert result.rows[0].score.background == 512
    assert not l2el.progress(events)


def test_its_numbers_do_not_depend_on_what_was_asked_before(engine: Any, bench: tiny.Tiny) -> None:
    fresh = tiny.make_engine(bench)
    verb = as_typed(("the word France",), (l2el.at(engine, 4),))
    l2el.ask(fresh, as_typed(("cat", "the word France", "numbers"), (l2el.at(fresh, 2),), scope="positions"))
    assert l2el.ask(fresh, verb)[1] == l2el.ask(tiny.make_engine(bench), verb)[1]


def test_rows_stream_before_the_background_is_known(engine: Any) -> None:
    events, result, _ = l2el.ask(engine, as_typed(("streamed words",), (l2el.at(engine),), scope="positions"))
    first = l2el.partial_rows(events)[0]
    assert first.score.score == result.rows[0].score.score  # type: ignore[union-attr]
    assert first.score.gap is None  # type: ignore[union-attr]
    for row in l2el.partial_rows(events):
        assert isinstance(row, HypothesisRow)
        assert row.score.error is None
        assert not any(score.error for score in row.positions[1:])
    done = [event.done for event in l2el.progress(events)]
    assert done == sorted(done)
    assert done[-1] <= 512


def test_bad_hypotheses_are_errors_and_good_ones_beside_them_are_scored(engine: Any) -> None:
    texts = ("", "cat", "word " * 200, "ends <|eos|> here", "\ud800", "😀😀")
    _, result, _ = l2el.ask(engine, as_typed(texts, (l2el.at(engine),), scope="positions"))
    rows = {row.text: row for row in result.rows}
    assert rows["cat"].score.score is not None
    assert rows["😀😀"].score.score is not None
    for text in ("", ("word " * 200).strip(), "ends <|eos|> here", "\ud800"):
        score = rows[text].score
        assert score.error
        assert score.score is score.gap is score.p is None
        assert all(each.error for each in rows[text].positions)


def test_not_a_number_in_one_position_is_an_error_there_alone(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = engine.parts.subject()
    ids = l2el.ids_of(engine, "words related to heat")
    capture = engine.captures.get(subject, ids)
    broken = capture.residuals.clone()
    broken[tiny.LAYER, 2, 3] = float("nan")
    monkeypatch.setattr(capture, "residuals", broken)
    _, result, _ = l2el.ask(engine, as_typed(("cat",), (Residual("", ids, -1, 3),), scope="positions"))
    (row,) = result.rows
    assert row.positions[2].error
    assert row.positions[2].score is None
    assert row.score.score is not None
    assert row.positions[1].score is not None
    assert all(math.isfinite(value) for value in row.background)


def test_a_span_is_its_mean(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, as_typed(("cat",), (l2el.at(engine, 2, 5),)))
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[2:5].mean(0))
    assert result.rows[0].score.score == pytest.approx(l2el.slow_score(engine, soft, "cat"), abs=1e-4)


def test_what_cannot_be_asked_is_said(engine: Any) -> None:
    with pytest.raises(BadInput, match="no hypothesis"):
        engine.resolve(as_typed((), (l2el.at(engine),)))
    with pytest.raises(BadInput, match="no source"):
        engine.resolve(as_typed(("cat",), ()))
    with pytest.raises(BadInput, match="other positions"):
        engine.resolve(as_typed(("cat",), (Mean("", -1),), scope="positions"))
    with pytest.raises(BadInput, match="different layers"):
        engine.resolve(as_typed(("cat",), (l2el.at(engine), l2el.at(engine, layer=1))))
    with pytest.raises(BadInput, match="No reader"):
        engine.resolve(as_typed(("cat",), (l2el.at(engine, layer=3),)))


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_another_family_scores_the_same_way(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    bench = l2el.make_bench(tmp_path_factory.mktemp(family), family)
    engine = tiny.make_engine(bench)
    _, result, _ = l2el.ask(engine, as_typed(("numbers and dates",), (l2el.at(engine),)))
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    assert result.rows[0].score.score == pytest.approx(l2el.slow_score(engine, soft, "numbers and dates"), abs=1e-4)
    assert torch.tensor(result.rows[0].background).isfinite().all()
