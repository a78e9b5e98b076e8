"""Slots after plain text: the text's cut, its likelihood against one whole sequence at a time, and its gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from backends.engine.training.contexts import Contexts, contexts_of, cut_context
from backends.engine.training.mapper_pairs import Pairs
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.soft_likelihood import Prompt, SoftLikelihood, pad_targets

LABELS = [[5, 6, 7, 2], [9, 2], [11, 12, 2], [13]]


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
        initializer_range=0.3,
    )
    return TrainedSubject(LlamaForCausalLM(config).eval().requires_grad_(False), "cpu", "float32")


def _pairs() -> Pairs:
    draw = np.random.default_rng(0)
    return Pairs(
        residuals=draw.normal(size=(4, 16)).astype(np.float16),
        latents=np.arange(4, dtype=np.int32),
        labels=np.array([2, 0, 1, 3], dtype=np.int32),
        documents=np.array([7, 7, 8, 8], dtype=np.int32),
        rows=np.array([0, 0, 1, 1], dtype=np.int32),
        positions=np.array([1, 9, 3, 5], dtype=np.int32),
        tokens=draw.integers(3, 40, (2, 12)).astype(np.uint16),
    )


def _slow_loss(subject: TrainedSubject, before: list[int], soft: Tensor, label: list[int]) -> Tensor:
    """Losses [tokens] of one label after one text and one soft prompt, as one sequence."""
    embed = subject.model.get_input_embeddings()
    parts = [embed(torch.tensor([before])), soft[None], embed(torch.tensor([label]))] if before else []
    inputs = torch.cat(parts or [soft[None], embed(torch.tensor([label]))], dim=1)
    logits = subject.model(inputs_embeds=inputs).logits[0].log_softmax(-1)
    first = len(before) + len(soft) - 1
    return -torch.stack([logits[first + place, token] for place, token in enumerate(label)])


def test_a_long_text_loses_its_middle_and_keeps_its_beginning_token() -> None:
    text = np.arange(10, dtype=np.uint16)
    assert cut_context(text, 10).tolist() == list(range(10))
    assert cut_context(text, 4).tolist() == [0, 7, 8, 9]


def test_contexts_end_with_the_token_of_their_pair() -> None:
    pairs = _pairs()
    found = contexts_of(pairs, 5, "cpu")
    for row in range(len(pairs)):
        whole = pairs.tokens[pairs.rows[row], : pairs.positions[row] + 1].tolist()
        expected = whole if len(whole) <= 5 else [whole[0], *whole[-4:]]
        assert found.ids[row, : found.lengths[row]].tolist() == expected


def test_labels_after_text_and_slots_score_as_whole_sequences_do(subject: TrainedSubject) -> None:
    pairs, soft = _pairs(), torch.randn(1, 3, 16)
    likelihood, labels = SoftLikelihood(subject, pad_targets(LABELS)), torch.from_numpy(pairs.labels).long()
    contexts = contexts_of(pairs, 6, "cpu")
    scores = likelihood.scores(Prompt(soft, contexts), labels)
    for row, label in enumerate(labels.tolist()):
        before = contexts.ids[row, : contexts.lengths[row]].tolist()
        expected = -_slow_loss(subject, before, soft[0], LABELS[label]).mean()
        assert float(scores[row]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("with_text", [True, False])
def test_slots_get_the_gradient_of_the_whole_sequences(subject: TrainedSubject, with_text: bool) -> None:
    pairs, likelihood = _pairs(), SoftLikelihood(subject, pad_targets(LABELS))
    labels = torch.from_numpy(pairs.labels).long()
    contexts: Contexts | None = contexts_of(pairs, 6, "cpu") if with_text else None
    fast = torch.randn(1, 3, 16, requires_grad=True)
    slow = fast.detach().clone().requires_grad_()
    likelihood.loss(Prompt(fast, contexts), labels).backward()  # type: ignore[no-untyped-call]
    losses = []
    for row, label in enumerate(labels.tolist()):
        before = [] if contexts is None else contexts.ids[row, : contexts.lengths[row]].tolist()
        losses.append(_slow_loss(subject, before, slow[0], LABELS[label]))
    torch.cat(losses).mean().backward()  # type: ignore[no-untyped-call]
    assert fast.grad is not None and slow.grad is not None and float(slow.grad.abs().max()) > 1e-4
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-6, rtol=1e-4)


def test_labels_of_one_token_after_one_shared_prompt(subject: TrainedSubject) -> None:
    likelihood, soft = SoftLikelihood(subject, pad_targets([[4], [5]])), torch.randn(1, 3, 16)
    scores = likelihood.scores(Prompt(soft), torch.tensor([1, 0, 1]))
    expected = [-float(_slow_loss(subject, [], soft[0], [token])) for token in (5, 4, 5)]
    assert scores.tolist() == pytest.approx(expected, abs=1e-5)


def test_pairs_elsewhere_keep_their_labels_and_take_other_places() -> None:
    pairs = _pairs()
    other = pairs.elsewhere()
    assert other.labels.tolist() == pairs.labels.tolist()
    assert other.rows.tolist() == [1, 1, 0, 0] and other.positions.tolist() == [3, 5, 1, 9]
    assert np.array_equal(other.residuals, np.roll(pairs.residuals, 2, 0))
