"""Negative log-likelihood of label tokens after a soft prompt, through the frozen subject, with gradients."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backends.engine.training.contexts import Contexts
from backends.engine.training.parts import TrainedSubject, autocast

IGNORED = -100


def pad_targets(tokens: list[list[int]]) -> Tensor:
    """Token ids as one array [labels, longest], -100 after the end."""
    padded = torch.full((len(tokens), max(map(len, tokens))), IGNORED)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = torch.tensor(ids)
    return padded


@dataclass(frozen=True)
class Prompt:
    """What stands before the labels: `soft` [pairs, slots, width], after the plain text of `contexts` where given.

    A `soft` of one row serves all pairs.
    """

    soft: Tensor
    contexts: Contexts | None = None


class SoftLikelihood:
    """The frozen subject as a reader of soft prompts."""

    def __init__(self, subject: TrainedSubject, targets: Tensor) -> None:
        """`targets` [labels, longest] as `pad_targets` makes them."""
        self.subject = subject
        self.targets = targets.to(subject.device)
        self.lengths = (self.targets != IGNORED).sum(1)
        self.embedding = subject.model.get_input_embeddings().weight.detach()

    def token_losses(self, prompt: Prompt, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Losses in nats of the labels' tokens, flat [tokens], and the row that each token is of, [tokens].

        `labels` [pairs]. The tokens of one label stand together, its end last.
        """
        wanted = self.targets[labels][:, : int(self.lengths[labels].max())]
        known = wanted != IGNORED
        text = self.embedding[wanted[:, :-1].clamp_min(0)]
        with autocast(self.subject.device, self.subject.dtype):
            logits = self._hidden(prompt, text)[known] @ self.embedding.T
        losses = functional.cross_entropy(logits.float(), wanted[known], reduction="none")
        return losses, known.nonzero()[:, 0]

    def _hidden(self, prompt: Prompt, text: Tensor) -> Tensor:
        """Final states that predict each label token, [pairs, longest, width]: the last slot predicts the first."""
        slots, pairs = prompt.soft.shape[1], len(text)
        if prompt.contexts is None and len(prompt.soft) < pairs:
            return self._after_one(prompt.soft, text)
        inputs = torch.cat([prompt.soft.expand(pairs, -1, -1), text], dim=1)
        more = {} if prompt.contexts is None else self._after_text(prompt.contexts, inputs.shape[1])
        hidden: Tensor = self.subject.model.base_model(inputs_embeds=inputs, use_cache=False, **more).last_hidden_state
        return hidden[:, slots - 1 :]

    def _after_one(self, soft: Tensor, text: Tensor) -> Tensor:
        """The same where one soft prompt [1, slots, width] serves all: it is computed once."""
        first = self.subject.model.base_model(inputs_embeds=soft, use_cache=True)
        states = first.past_key_values
        states.batch_repeat_interleave(len(text))
        start: Tensor = first.last_hidden_state[:, -1:].expand(len(text), -1, -1)
        if text.shape[1] == 0:
            return start
        rest = self.subject.model.base_model(inputs_embeds=text, past_key_values=states).last_hidden_state
        return torch.cat([start, rest], dim=1)

    @torch.no_grad()
    def _after_text(self, contexts: Contexts, count: int) -> dict[str, Any]:
        """What lets `count` inputs a row stand after the contexts: states, mask and positions.

        Nothing is learnt before the slots, so the contexts need no gradient, which is half of the work.
        """
        ids, lengths = contexts.ids, contexts.lengths
        states = self.subject.model.base_model(input_ids=ids, use_cache=True).past_key_values
        steps = torch.arange(ids.shape[1] + count, device=ids.device)
        mask = (steps < lengths[:, None]) | (steps >= ids.shape[1])
        positions = lengths[:, None] + steps[:count]
        return {"past_key_values": states, "attention_mask": mask.long(), "position_ids": positions}

    def loss(self, prompt: Prompt, labels: Tensor) -> Tensor:
        """Mean loss of all label tokens, in nats a token."""
        return self.token_losses(prompt, labels)[0].mean()

    @torch.no_grad()
    def scores(self, prompt: Prompt, labels: Tensor) -> Tensor:
        """Mean log-likelihood a token of each pair's label, its end included, [pairs]."""
        losses, rows = self.token_losses(prompt, labels)
        total = torch.zeros(len(labels), device=losses.device).index_add_(0, rows, losses)
        return -total / self.lengths[labels]


def bucketed_batches(
    lengths: NDArray[np.int64], batch: int, seed: int, *, buckets: int = 8
) -> Iterator[NDArray[np.int64]]:
    """Shuffled batches of places, each of labels of similar length; goes round for ever, anew shuffled each time."""
    draw = np.random.default_rng(seed)
    while True:
        order = draw.permutation(len(lengths))
        for start in range(0, len(order), batch * buckets):
            chunk = order[start : start + batch * buckets]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            parts = [chunk[at : at + batch] for at in range(0, len(chunk), batch)]
            for part in draw.permutation(len(parts)):
                yield parts[part]
