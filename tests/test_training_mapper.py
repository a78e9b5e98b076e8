"""Drawing pairs, the likelihood that trains the mapper, batches and schedules, each against a slow reference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper
from backends.engine.training.draws import DrawSettings, LatentScale, draw_one, top_by_z
from backends.engine.training.layer_statistics import Moments
from backends.engine.training.mapper import rate_factor
from backends.engine.training.mapper_start import ridge_map
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.soft_likelihood import Prompt, SoftLikelihood, bucketed_batches, pad_targets
from backends.engine.training.statistics import quartiles


def _scale(latents: int, seed: int = 0) -> LatentScale:
    draw = np.random.default_rng(seed)
    return LatentScale(
        rate=draw.uniform(0, 0.02, latents).astype(np.float32),
        median=draw.normal(size=latents).astype(np.float32),
        sigma=draw.uniform(0.1, 2, latents).astype(np.float32),
    )


def test_the_top_by_robust_z_is_the_slow_one() -> None:
    scale, draw = _scale(50), np.random.default_rng(1)
    latents = np.stack([draw.permutation(50)[:8] for _ in range(40)]).astype(np.uint16)
    activations = np.maximum(draw.normal(size=(40, 8)), 0).astype(np.float32)
    best = top_by_z(latents, activations, scale, DrawSettings(0.01, 5))
    for row in range(40):
        scored = [
            ((activations[row, k] - scale.median[j]) / scale.sigma[j], j)
            for k, j in enumerate(latents[row].tolist())
            if activations[row, k] > 0 and scale.rate[j] <= 0.01
        ]
        expected = [j for _, j in sorted(scored, reverse=True)][:5]
        assert best[row].tolist() == expected + [-1] * (5 - len(expected))


def test_one_is_drawn_uniformly_among_the_allowed() -> None:
    best = np.tile(np.array([[3, 1, 4, 2, -1]], dtype=np.int32), (6000, 1))
    allowed = np.array([True, True, False, True, True])
    drawn = draw_one(best, allowed, seed=2)
    counts = np.bincount(drawn, minlength=5)
    assert counts[0] == 0 and counts[2] == 0
    assert counts[[1, 3, 4]] / 6000 == pytest.approx([1 / 3] * 3, abs=0.03)
    assert (draw_one(best, np.zeros(5, bool), seed=2) == -1).all()


def test_quartiles_are_those_of_numpy() -> None:
    values = torch.randn(137, 6)
    expected = np.quantile(values.numpy(), [0.25, 0.5, 0.75], axis=0)
    assert quartiles(values).numpy() == pytest.approx(expected, abs=1e-5)


def test_moments_are_those_of_all_positions_at_once() -> None:
    torch.manual_seed(0)
    hidden, mask = torch.randn(6, 7, 4) + 3, torch.rand(6, 7) < 0.6
    moments = Moments(1, 4)
    for rows in (slice(0, 2), slice(2, 6)):
        moments.add([hidden[rows]], mask[rows])
    chosen = hidden[mask].double()
    assert moments.mean()[0].numpy() == pytest.approx(chosen.mean(0).numpy(), abs=1e-6)
    expected = torch.cov(chosen.T, correction=0).numpy()
    assert moments.covariance()[0].numpy() == pytest.approx(expected, abs=1e-5)


@pytest.fixture(scope="module")
def subject() -> TrainedSubject:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    return TrainedSubject(LlamaForCausalLM(config).eval().requires_grad_(False), "cpu", "float32")


def test_label_scores_are_those_of_one_sequence_at_a_time(subject: TrainedSubject) -> None:
    tokens = [[5, 6, 7, 2], [9, 2], [11, 12, 2]]
    likelihood = SoftLikelihood(subject, pad_targets(tokens))
    labels, prompts = torch.tensor([2, 0, 1, 0]), torch.randn(4, 3, 16)
    scores = likelihood.scores(Prompt(prompts), labels)
    for row, label in enumerate(labels.tolist()):
        text = torch.tensor([tokens[label]])
        inputs = torch.cat([prompts[row, None], subject.model.get_input_embeddings()(text)], dim=1)
        logits = subject.model(inputs_embeds=inputs).logits[0].log_softmax(-1)
        expected = [float(logits[2 + place, token]) for place, token in enumerate(tokens[label])]
        assert float(scores[row]) == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_only_the_prompts_receive_gradients(subject: TrainedSubject) -> None:
    likelihood = SoftLikelihood(subject, pad_targets([[5, 2], [6, 7, 2]]))
    prompts = torch.randn(2, 3, 16, requires_grad=True)
    likelihood.loss(Prompt(prompts), torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    assert prompts.grad is not None and prompts.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in subject.model.parameters())


def test_batches_hold_every_place_once_a_round_and_similar_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(3, 12, 1000)
    batches = bucketed_batches(lengths, 50, seed=3)
    first = [next(batches) for _ in range(20)]
    assert sorted(np.concatenate(first).tolist()) == list(range(1000))
    assert np.mean([lengths[batch].std() for batch in first]) < 0.6 * lengths.std()
    again = bucketed_batches(lengths, 50, seed=3)
    assert all((next(again) == batch).all() for batch in first)


def test_the_rate_falls_to_nothing_at_the_end() -> None:
    factors = [rate_factor(step, 100, 10) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and max(factors) == 1.0
    assert factors[-1] == pytest.approx(1 / 90) and rate_factor(100, 100, 10) == 0.0


def test_a_slotwise_mapper_is_one_directional_mapper_a_slot(tmp_path: Path) -> None:
    torch.manual_seed(0)
    card = MapperCard(form="slotwise", slots=3, width=6, layer=1)
    mapper = SoftPromptMapper(card, mean=torch.randn(6), embedding_norm=2.0)
    with torch.no_grad():
        mapper.matrix.normal_()
        mapper.gamma.normal_()
    h = torch.randn(5, 6)
    expected = torch.empty(5, 3, 6)
    for slot in range(3):
        one = SoftPromptMapper(MapperCard(form="directional", slots=1, width=6, layer=1), mean=mapper.mean)
        with torch.no_grad():
            one.embedding_norm.fill_(2.0)
            one.matrix.copy_(mapper.matrix[slot])
            one.gamma.copy_(mapper.gamma[slot, None])
            one.bias.copy_(mapper.bias[slot, None])
        expected[:, slot] = one(h)[:, 0]
    assert torch.allclose(mapper(h), expected, atol=1e-5)
    mapper.save(tmp_path)
    assert torch.equal(SoftPromptMapper.load(tmp_path)(h), mapper(h))


def test_a_ridge_map_finds_the_map_that_made_the_targets() -> None:
    torch.manual_seed(0)
    inputs, weights, bias = torch.randn(2000, 5), torch.randn(3, 5), torch.randn(3)
    targets = inputs @ weights.T + bias + 0.01 * torch.randn(2000, 3)
    found, offset = ridge_map(inputs, targets, 1e-6)
    assert torch.allclose(found, weights, atol=0.01) and torch.allclose(offset, bias, atol=0.01)
    # The more ridge, the nearer to predicting the mean everywhere.
    flat, mean = ridge_map(inputs, targets, 1e6)
    assert flat.abs().max() < 1e-2 and torch.allclose(mean, targets.mean(0), atol=0.05)
