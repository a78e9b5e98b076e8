"""Gradients of scores with respect to a mapper's input, against finite differences of exact scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from backends.engine.index import label_gradients
from backends.engine.index.anchor import Anchor, make_anchor
from backends.engine.index.label_anchors import choose_anchors
from backends.engine.index.label_directions import principal_directions
from backends.engine.index.label_features import RidgeFit, tangent_features
from backends.engine.index.label_gradients import text_gradients
from backends.engine.likelihood import grid_table
from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper
from investigator.errors import ScoreError

TEXTS = [(5, 6, 7), (9,), (10, 11, 12, 13, 14), (5, 6), (5, 6, 7)]


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2", "qwen3"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp(request.param)
    return tiny.load_subject(tiny.make_subject(folder, request.param))


def mapper(form: str) -> SoftPromptMapper:
    card = MapperCard(form=form, slots=4, width=tiny.WIDTH, layer=1)  # type: ignore[arg-type]
    return SoftPromptMapper(card, embedding_norm=1.0, seed=1).requires_grad_(False)


def collected(subject: Any, mapper: SoftPromptMapper, anchor: Anchor) -> Tensor:
    found = torch.full((len(TEXTS), tiny.WIDTH), torch.nan)
    for at, gradients in text_gradients(subject, mapper, anchor, TEXTS):
        found[at] = gradients
    return found


@pytest.mark.parametrize("form", ["slotwise", "directional", "paper"])
def test_gradients_are_slopes_of_exact_scores_and_the_same_without_a_jacobian(subject: Any, form: str) -> None:
    reader, generator = mapper(form), torch.Generator().manual_seed(2)
    at = torch.randn(tiny.WIDTH, generator=generator)
    anchor = make_anchor(subject, reader, at)
    assert anchor.jacobian is not None
    gradients = collected(subject, reader, anchor)
    assert torch.allclose(gradients, collected(subject, reader, dataclasses.replace(anchor, jacobian=None)), atol=1e-5)
    for _ in range(3):
        step = 0.01 * torch.nn.functional.normalize(torch.randn(tiny.WIDTH, generator=generator), dim=0)
        with torch.inference_mode():
            high, low = (grid_table(subject, reader.prompts(at + sign * step)[None], TEXTS)[0] for sign in (1, -1))
        assert torch.allclose(gradients @ step, ((high - low) / 2).float(), atol=2e-5)


def test_short_memory_halves_the_batches_and_changes_no_gradient(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = mapper("slotwise")
    anchor = make_anchor(subject, reader, torch.ones(tiny.WIDTH))
    expected, real, sizes = collected(subject, reader, anchor), label_gradients._gradients, []

    def short(model: Any, reader: Any, anchor: Anchor, texts: Any) -> Tensor:
        sizes.append(len(texts))
        if len(texts) > 2:
            raise MemoryError
        return real(model, reader, anchor, texts)

    monkeypatch.setattr(label_gradients, "_gradients", short)
    assert torch.allclose(collected(subject, reader, anchor), expected, atol=1e-6)
    assert sizes == [5, 2, 2, 1]
    monkeypatch.setattr(label_gradients, "_gradients", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(ScoreError, match="not enough memory"):
        collected(subject, reader, anchor)


def test_mapping_is_affine_in_what_the_mapper_calls_its_inputs() -> None:
    for form in ("slotwise", "directional", "paper"):
        reader = mapper(form)
        h, other = torch.randn(2, 5, tiny.WIDTH, generator=torch.Generator().manual_seed(3))
        assert torch.equal(reader.prompts(reader.inputs(h)), reader(h))
        mixed = reader.prompts(0.25 * reader.inputs(h) + 0.75 * reader.inputs(other))
        assert torch.allclose(mixed, 0.25 * reader(h) + 0.75 * reader(other), atol=1e-6)


def test_anchors_are_centres_of_clusters_and_never_more_than_there_are_places() -> None:
    generator = torch.Generator().manual_seed(4)
    centres = torch.eye(3, 8)
    points = centres.repeat(20, 1) + 0.01 * torch.randn(60, 8, generator=generator)
    found = choose_anchors(points, 3)
    assert torch.cdist(found, centres).amin(0).max() < 0.02
    assert len(choose_anchors(torch.ones(4, 8), 3)) == 1
    assert len(choose_anchors(points[:2], 5)) == 2


def test_principal_directions_are_those_of_a_plain_decomposition_whatever_the_parts() -> None:
    generator = torch.Generator().manual_seed(5)
    low = torch.randn(50, 5, generator=generator) * torch.tensor([9.0, 5.0, 3.0, 2.0, 1.0])
    table = low @ torch.randn(5, 2 * 8, generator=generator)
    gradients = table.reshape(50, 2, 8).transpose(0, 1)
    scores = torch.zeros(2, 50)
    parts = [gradients[:, :30].half(), gradients[:, 30:].half()]
    found = principal_directions(parts, scores)
    expected, _, _ = torch.linalg.svd(table - table.mean(0), full_matrices=False)
    for column in range(5):
        cosine = torch.cosine_similarity(found[:, column], expected[:, column], dim=0)
        assert abs(float(cosine)) > 0.999
    assert torch.isfinite(principal_directions([torch.full((2, 50, 8), torch.nan).half()], scores)).all()


def test_a_regression_recovers_a_linear_truth_and_ignores_what_is_not_a_number() -> None:
    generator = torch.Generator().manual_seed(6)
    features = torch.randn(400, 3, generator=generator) * torch.tensor([1.0, 10.0, 0.1]) + 2
    gaps = features @ torch.tensor([0.5, -0.02, 3.0]) + 0.25
    gaps[7] = torch.nan
    features[9, 1] = torch.nan
    fit = RidgeFit(features)
    fit.add(features, gaps)
    ridge = fit.solve()
    good = torch.isfinite(gaps) & torch.isfinite(features).all(1)
    assert torch.allclose(ridge(features)[good], gaps[good], atol=0.02)
    assert ridge(features)[9].isnan()


def test_blends_weigh_near_anchors_more_and_agree_where_the_anchors_do() -> None:
    tangents = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    found = tangent_features(tangents, torch.tensor([0.0, 1.0]), torch.zeros(2))
    assert torch.allclose(found[1, :4], torch.full((4,), 2.0))
    assert float(found[0, 0]) == pytest.approx(2.0)
    assert 1.0 < float(found[0, 2]) < float(found[0, 1]) < 2.0
    assert found[0, 4:6].tolist() == [3.0, 1.0]
