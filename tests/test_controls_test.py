"""`test` and `contrast` with their controls, on a tiny workbench, against slow references."""

from __future__ import annotations

import statistics
from typing import Any

import l2el_tools as l2el
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tiny
from backends.engine.controls import phrasings
from investigator import wire
from investigator.errors import BadInput
from investigator.records import Contrasted, Control, HypothesisRow
from investigator.sources import Mean, Random, Residual


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return l2el.make_bench(tmp_path_factory.mktemp("controls"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


@pytest.fixture(scope="module")
def row(engine: Any) -> HypothesisRow:
    """One hypothesis in the default phrasings, judged."""
    _, result, _ = l2el.ask(engine, wire.Test(("capital cities",), (l2el.at(engine),)))
    (found,) = result.rows
    return found  # type: ignore[no-any-return]


def control(row: HypothesisRow, name: str) -> Control:
    return next(found for found in row.score.controls if found.name == name)


def soft_mean(bench: tiny.Tiny) -> torch.Tensor:
    vectors = load_file(bench.statistics / "layers.safetensors")["background"][tiny.LAYER]
    return torch.stack([l2el.slow_soft(bench, vector) for vector in vectors]).mean(0)


def test_the_score_is_the_median_over_phrasings_and_so_is_its_background(
    engine: Any, bench: tiny.Tiny, row: HypothesisRow
) -> None:
    texts = ["capital cities", "capital cities.", "text about capital cities", "references to capital cities"]
    assert [wording.text for wording in row.wordings] == texts
    soft = l2el.slow_soft(bench, l2el.slow_hidden(engine)[-1])
    slow = [l2el.slow_score(engine, soft, text) for text in texts]
    assert row.score.score == pytest.approx(statistics.median(slow), abs=1e-4)
    tables = [l2el.slow_background(engine, bench, text, 10) for text in texts]
    for place in range(10):
        assert row.background[place] == pytest.approx(statistics.median(t[place] for t in tables), abs=1e-4)
    assert row.score.score is not None
    assert row.score.gap == pytest.approx(row.score.score - statistics.fmean(row.background))
    assert row.score.spread == pytest.approx(statistics.pstdev(row.background))
    for wording, value in zip(row.wordings, slow, strict=True):
        assert wording.score == pytest.approx(value, abs=1e-4)
    gaps = [wording.gap for wording in row.wordings if wording.gap is not None]
    assert row.wording_spread == pytest.approx((max(gaps) - min(gaps)) / 2)


def test_the_mean_is_that_of_the_maps_output_where_it_normalises(
    engine: Any, bench: tiny.Tiny, row: HypothesisRow
) -> None:
    soft = soft_mean(bench)
    slow = statistics.median(l2el.slow_score(engine, soft, wording.text) for wording in row.wordings)
    found = control(row, "mean")
    assert found.score == pytest.approx(slow, abs=1e-4)
    assert found.count == 1
    assert found.gap == pytest.approx(found.score - statistics.fmean(row.background))


def test_the_mean_is_that_of_the_input_where_the_map_does_not_normalise(engine: Any, bench: tiny.Tiny) -> None:
    here = l2el.at(engine, layer=l2el.SECOND_LAYER)
    _, result, _ = l2el.ask(engine, wire.Test(("cat",), (here,), reader="paper", templates=()))
    mean = load_file(bench.statistics / "layers.safetensors")["mean"][l2el.SECOND_LAYER]
    slow = l2el.slow_score(engine, l2el.slow_soft(bench, mean, reader="paper"), "cat")
    assert control(result.rows[0], "mean").score == pytest.approx(slow, abs=1e-4)


def slow_covariance_vectors(bench: tiny.Tiny, count: int) -> torch.Tensor:
    found = load_file(bench.statistics / "layers.safetensors")
    values, vectors = torch.linalg.eigh(found["covariance"][tiny.LAYER].double())
    root = vectors @ torch.diag(values.clamp_min(0).sqrt())
    rows = []
    for i in range(count):
        z = torch.from_numpy(np.random.default_rng([20_260, 1, i]).standard_normal(tiny.WIDTH))
        rows.append(found["mean"][tiny.LAYER] + (root @ z).float())
    return torch.stack(rows)


def test_random_vectors_have_the_layers_own_mean_and_covariance(engine: Any, bench: tiny.Tiny) -> None:
    from backends.engine.controls.vectors import of_covariance
    from backends.engine.readers.reader import open_reader

    reader = open_reader(engine, "mapper")
    drawn = of_covariance(engine, reader, 4000).double()
    found = load_file(bench.statistics / "layers.safetensors")
    assert drawn[:3].float() == pytest.approx(slow_covariance_vectors(bench, 3), abs=1e-5)
    assert torch.equal(drawn[:3].float(), of_covariance(engine, reader, 3))
    error = (torch.cov(drawn.T) - found["covariance"][tiny.LAYER]).norm() / found["covariance"][tiny.LAYER].norm()
    assert float(error) < 0.15
    assert float((drawn.mean(0) - found["mean"][tiny.LAYER]).norm()) < 0.2


def test_covariance_random_scores_against_a_slow_reference(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, wire.Test(("dog",), (l2el.at(engine),), templates=()))
    found = control(result.rows[0], "random covariance")
    assert found.count == len(found.values) == 200
    slow = [l2el.slow_score(engine, l2el.slow_soft(bench, h), "dog") for h in slow_covariance_vectors(bench, 200)]
    assert found.values == pytest.approx(sorted(slow), abs=2e-4)
    assert found.score == pytest.approx(statistics.fmean(slow), abs=1e-4)


def test_random_norm_vectors_stand_as_far_from_the_mean_as_the_source(engine: Any, bench: tiny.Tiny) -> None:
    from backends.engine.controls.vectors import distance_of, layer_mean, of_norm
    from backends.engine.readers.reader import open_reader

    paper = open_reader(engine, "paper")
    source = l2el.slow_hidden(engine, l2el.SECOND_LAYER)[-1]
    mean = layer_mean(engine, paper)
    distance = float((source - mean).norm())
    assert distance_of(engine, paper, source) == pytest.approx(distance)
    drawn = of_norm(engine, paper, distance)
    assert (drawn - mean).norm(dim=-1).tolist() == pytest.approx([distance] * 64, rel=1e-4)
    here = l2el.at(engine, layer=l2el.SECOND_LAYER)
    _, result, _ = l2el.ask(engine, wire.Test(("cat",), (here,), reader="paper", templates=()))
    slow = [l2el.slow_score(engine, l2el.slow_soft(bench, h, reader="paper"), "cat") for h in drawn]
    assert control(result.rows[0], "random norm").values == pytest.approx(sorted(slow), abs=2e-4)


def test_other_tokens_are_the_prompts_own_without_the_source_and_special_ones(engine: Any, bench: tiny.Tiny) -> None:
    _, result, _ = l2el.ask(engine, wire.Test(("dog",), (l2el.at(engine, 2, 4),), templates=()))
    hidden = l2el.slow_hidden(engine)
    places = [place for place in range(1, len(hidden)) if place not in (2, 3)]
    slow = [l2el.slow_score(engine, l2el.slow_soft(bench, hidden[place]), "dog") for place in places]
    assert control(result.rows[0], "other tokens").values == pytest.approx(sorted(slow), abs=2e-4)


def test_the_background_is_a_control_too_and_shows_its_ends(row: HypothesisRow) -> None:
    found = control(row, "background")
    assert (found.count, len(found.values), found.gap) == (512, 256, 0.0)
    assert (found.values[0], found.values[-1]) == (min(row.background), max(row.background))


def test_without_artefacts_nothing_is_called_supported_and_the_command_is_named(engine: Any) -> None:
    texts = ("cat", "the word France", "numbers and dates")
    _, result, _ = l2el.ask(engine, wire.Test(texts, (l2el.at(engine),), templates=()))
    for found in result.rows:
        assert found.score.verdict in (None, "not above baseline")
        assert found.score.tried == 3
        assert found.score.why
        low, high = found.score.interval
        assert low <= found.score.gap <= high


def test_the_same_question_has_the_same_answer_whatever_was_asked_before(engine: Any, bench: tiny.Tiny) -> None:
    verb = wire.Test(("the word France", "dog"), (l2el.at(engine, 4),), seed=5)
    l2el.ask(engine, wire.Test(("dog",), (l2el.at(engine, 2),), templates=()))
    assert l2el.ask(engine, verb)[1] == l2el.ask(tiny.make_engine(bench), verb)[1]


def test_wordings_of_the_user_are_phrasings_too(engine: Any) -> None:
    verb = wire.Test(("cat",), (l2el.at(engine),), templates=(), wordings={" cat ": ("cats", "one cat", "cat")})
    _, result, _ = l2el.ask(engine, verb)
    (found,) = result.rows
    assert [wording.text for wording in found.wordings] == ["cat", "cats", "one cat"]
    assert found.score.score == statistics.median(wording.score for wording in found.wordings)


def test_a_hypothesis_with_a_frame_is_not_framed_twice() -> None:
    said = phrasings.phrasings("References to ships", None)
    assert said == ("References to ships", "References to ships.", "text about ships", "references to ships")
    assert phrasings.phrasings("Ships.", None)[:2] == ("Ships.", "Ships")
    assert phrasings.phrasings("words about ships", None)[2:] == ("text about ships", "references to ships")
    assert phrasings.phrasings("ships", ()) == ("ships",)
    assert phrasings.phrasings("ships", ("many {} and {}",)) == ("many ships and ships",)
    assert phrasings.phrasings("a {} b", ("{}",)) == ("a {} b",)


def test_what_cannot_be_asked_is_refused(engine: Any) -> None:
    here = l2el.at(engine)
    for verb in (
        wire.Test(("cat",), (here,), templates=("no place",)),
        wire.Test(("cat",), (here,), templates=tuple(f"{i} {{}}" for i in range(40))),
        wire.Test(("cat",), (here,), tried=-1),
        wire.Contrast("cat", " cat ", here),
        wire.Contrast("cat", "dog", here, l2el.at(engine, layer=1)),
    ):
        with pytest.raises(BadInput):
            engine.resolve(verb)


BAD = ("", "word " * 2000, "x" * 10_000, "ends <|eos|> here", "\ud800")
ODD = ("😀😀", "bell \x07 and \x1b[31m red", "tab\tand\nline", "\u202eright to left")


def test_bad_hypotheses_are_errors_and_odd_ones_are_scored(engine: Any) -> None:
    _, result, _ = l2el.ask(engine, wire.Test((*BAD, *ODD), (l2el.at(engine),)))
    rows = {found.text: found for found in result.rows}
    for text in BAD:
        score = rows[text.strip()].score
        assert score.error
        assert score.score is score.gap is score.p is score.verdict is score.interval is None
        assert rows[text.strip()].wordings == ()
    for text in ODD:
        score = rows[text.strip()].score
        assert score.error is None
        assert score.score is not None
        assert score.interval is not None
        assert score.tried == len(ODD)
        wire.encode(rows[text.strip()])


def test_a_phrasing_that_does_not_fit_is_left_out_with_its_reason(engine: Any) -> None:
    subject = engine.parts.subject()
    text = "cat"
    while len(subject.encode_plain(text + " cat")) <= subject.context - 4 - 1:
        text += " cat"
    _, result, _ = l2el.ask(engine, wire.Test((text,), (l2el.at(engine),)))
    (found,) = result.rows
    assert found.score.error is None
    assert [wording.error is None for wording in found.wordings] == [True, False, False, False]
    assert found.score.score == found.wordings[0].score
    assert found.wording_spread is None


def test_a_control_that_is_not_a_number_leaves_no_verdict(bench: tiny.Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.engine.controls import vectors

    whole = vectors.of_covariance

    def broken(*given: Any, **named: Any) -> torch.Tensor:
        drawn = whole(*given, **named)
        drawn[3, 0] = float("nan")
        return drawn

    monkeypatch.setattr(vectors, "of_covariance", broken)
    fresh = tiny.make_engine(bench)
    _, result, _ = l2el.ask(fresh, wire.Test(("cat",), (l2el.at(fresh),), templates=()))
    (found,) = result.rows
    assert found.score.score is not None
    assert found.score.verdict is None
    assert "NaN" in found.score.why
    assert all(each.name != "random covariance" for each in found.score.controls)
    wire.encode(result)


def test_rows_stream_score_then_background_then_verdict(engine: Any) -> None:
    events, result, _ = l2el.ask(engine, wire.Test(("streamed once",), (l2el.at(engine),), templates=()))
    rows = [found for found in l2el.partial_rows(events) if isinstance(found, HypothesisRow)]
    assert rows[0].score.score is not None
    assert rows[0].score.gap is None
    assert rows[1].score.gap is not None
    assert rows[1].score.why == ""
    assert result.rows[0].score.why
    messages = {event.message.split(" of ")[0] for event in l2el.progress(events)}
    assert messages == {"measuring the background", "measuring the controls"}


def test_a_question_stopped_anywhere_leaves_the_next_answer_whole(engine: Any, bench: tiny.Tiny) -> None:
    verb = wire.Test(("stopped midway",), (l2el.at(engine),), templates=())
    expected = l2el.ask(engine, verb)[1]
    fresh = tiny.make_engine(bench)
    steps = len(list(fresh.run(fresh.resolve(verb)[0])))
    fresh = tiny.make_engine(bench)
    for stop in range(1, steps, max(1, steps // 12)):
        running = fresh.run(fresh.resolve(verb)[0])
        for _ in range(stop):
            next(running, None)
        running.close()
    assert l2el.ask(fresh, verb)[1] == expected


def test_a_table_of_prompts_is_judged_without_the_values_behind_controls(engine: Any) -> None:
    other = tuple(engine.parts.subject().encode("names of animals"))
    sources = (l2el.at(engine), Residual("", other, -1, -1))
    _, result, _ = l2el.ask(engine, wire.Test(("cat", "dog"), sources, templates=()))
    for found in result.rows:
        names = [each.name for each in found.score.controls]
        assert names == ["mean", "random norm", "random covariance", "background"]
        assert all(each.values == () for each in found.score.controls)
        assert found.score.interval is not None


@pytest.mark.parametrize("source", [Mean("", -1), Random("", -1, 3)])
def test_sources_without_a_prompt_are_judged_too(engine: Any, source: Any) -> None:
    _, result, _ = l2el.ask(engine, wire.Test(("cat",), (source,), templates=()))
    (found,) = result.rows
    assert found.score.p is not None
    assert "other tokens" not in [each.name for each in found.score.controls]


# Contrast


def test_contrast_of_two_hypotheses_at_one_place(engine: Any) -> None:
    here = l2el.at(engine)
    events, result, provenance = l2el.ask(engine, wire.Contrast("cat", "the word France", here, seed=3))
    assert isinstance(result, Contrasted)
    _, tested, _ = l2el.ask(engine, wire.Test(("cat", "the word France"), (here,), seed=3))
    assert (result.left, result.right) == tested.rows
    assert result.difference is not None
    assert result.interval is not None
    gaps = [side.score.gap or 0.0 for side in (result.left, result.right)]
    assert result.difference == pytest.approx(gaps[0] - gaps[1])
    low, high = result.interval
    assert low <= result.difference <= high
    assert result.why
    assert provenance.seed == 3
    assert {found.text for found in l2el.partial_rows(events) if isinstance(found, HypothesisRow)} == {
        "cat",
        "the word France",
    }


def test_contrast_of_one_hypothesis_at_two_places_and_the_other_way_round(engine: Any) -> None:
    here, there = l2el.at(engine), l2el.at(engine, 2)
    _, result, _ = l2el.ask(engine, wire.Contrast("cat", "cat", here, there, templates=()))
    _, back, _ = l2el.ask(engine, wire.Contrast("cat", "cat", there, here, templates=()))
    assert result.difference == pytest.approx(-back.difference)
    assert (result.left.position, result.right.position) == (here.position % len(l2el.ids_of(engine)), 2)
    # One background: it cancels, so that nothing is left to resample.
    assert result.interval == pytest.approx((result.difference, result.difference), abs=1e-9)


def test_a_side_that_cannot_be_scored_says_why(engine: Any) -> None:
    _, result, _ = l2el.ask(engine, wire.Contrast("cat", "ends <|eos|> here", l2el.at(engine)))
    assert result.difference is result.interval is None
    assert "special token" in result.why
    assert result.left.score.score is not None


def test_contrast_scores_a_side_in_the_users_own_words(engine: Any) -> None:
    here, own = l2el.at(engine), {"cat": ("a small cat", "house cats")}
    _, result, _ = l2el.ask(engine, wire.Contrast("cat", "the word France", here, wordings=own))
    _, tested, _ = l2el.ask(engine, wire.Test(("cat", "the word France"), (here,), wordings=own))
    assert isinstance(result, Contrasted)
    assert (result.left, result.right) == tested.rows
    assert {"a small cat", "house cats"} <= {wording.text for wording in result.left.wordings}
