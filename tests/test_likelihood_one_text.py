"""One text under many soft prompts against one plain forward pass for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_likelihood_grid import prompts, reference
from torch import Tensor

import tiny
from backends.engine.likelihood import TIE, best_sources, score_text_at
from backends.engine.likelihood.best_sources import best_of_each
from backends.engine.likelihood.one_text import sources_a_step
from investigator.errors import ScoreError


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp(request.param)
    return tiny.load_subject(tiny.make_subject(folder, request.param))


def gathered(subject: Any, soft: Tensor, ids: tuple[int, ...]) -> Tensor:
    scores = torch.full((len(soft),), torch.nan, dtype=torch.float64)
    for places, found in score_text_at(subject, soft, ids):
        assert len(places) == len(found)
        scores[places.start : places.stop] = found
    return scores


@pytest.mark.parametrize("ids", [(5,), (5, 6, 7, 8, 9, 30)])
@pytest.mark.parametrize("slots", [1, 4])
def test_every_source_scores_as_one_at_a_time(subject: Any, ids: tuple[int, ...], slots: int) -> None:
    soft = prompts(9)[:, :slots]
    for source, score in enumerate(gathered(subject, soft, ids).tolist()):
        assert score == pytest.approx(reference(subject, soft[source], ids), abs=1e-4)


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("ids", [(5,), (5, 6, 7, 8)])
def test_the_best_sources_are_those_of_all_scores(subject: Any, ids: tuple[int, ...], slots: int) -> None:
    soft = 3 * prompts(900)[:, :slots]
    scores = gathered(subject, soft, ids)
    *steps, found = best_sources(subject, soft, ids, 7)
    expected = scores.sort(descending=True)
    assert found.finished
    assert not any(step.finished for step in steps)
    torch.testing.assert_close(found.scores, expected.values[:7], rtol=0, atol=1e-5)
    torch.testing.assert_close(found.scores, scores[found.sources], rtol=0, atol=1e-5)
    near = set((scores > float(expected.values[6]) - TIE + 1e-5).nonzero()[:, 0].tolist())
    assert near <= {*found.sources.tolist(), *found.tied.tolist()}
    *_, later = best_sources(subject, soft, ids, 7, threshold=float(expected.values[2]))
    assert set(expected.indices[:3].tolist()) <= set(later.sources.tolist())


def test_several_texts_find_their_best_sources_at_once_as_each_alone(subject: Any) -> None:
    soft, texts = 3 * prompts(700), [(5, 6, 7), (9,), (10, 11, 12, 13)]
    *_, each = best_of_each(subject, soft, texts, 5)
    assert len(each) == len(texts)
    for ids, found in zip(texts, each, strict=True):
        scores = gathered(subject, soft, ids)
        torch.testing.assert_close(found.scores, scores.sort(descending=True).values[:5], rtol=0, atol=1e-5)
        torch.testing.assert_close(found.scores, scores[found.sources], rtol=0, atol=1e-5)


def test_the_best_sources_of_what_is_not_a_number_are_an_error(subject: Any) -> None:
    soft = prompts(5)
    soft[3] = float("nan")
    with pytest.raises(ScoreError, match="not a number"):
        list(best_sources(subject, soft, (5, 6), 2))


def test_a_window_shorter_than_prefix_and_text_is_kept(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path, "gemma2"))
    subject.model.config.sliding_window = 3
    for layer in subject.model.model.layers:
        if layer.self_attn.sliding_window:
            layer.self_attn.sliding_window = 3
    soft, ids = prompts(3), (5, 6, 7, 8, 9)
    for source, score in enumerate(gathered(subject, soft, ids).tolist()):
        assert score == pytest.approx(reference(subject, soft[source], ids), abs=1e-4)


def test_a_source_that_is_not_a_number_fails_alone_and_work_stops_when_closed(subject: Any) -> None:
    soft = prompts(3)
    soft[1, 0, 0] = float("nan")
    assert gathered(subject, soft, (5, 6)).isnan().tolist() == [False, True, False]
    many = prompts(3 * sources_a_step(subject, 4, 2) + 1)
    steps = score_text_at(subject, many, (5, 6))
    assert next(steps)[0].start == 0
    steps.close()  # type: ignore[attr-defined]
    assert list(steps) == []
