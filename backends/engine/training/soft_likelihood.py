"""Negative log-likelihood of label tokens after a soft prompt, through the frozen subject, with gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backends.engine.training.parts import TrainedSubject, autocast

IGNORED = -100


def pad_targets(tokens: list[list[int]]) -> Tensor:
    """Token ids as one array [labels, longest], -100 after the end."""
    padded = torch.full((len(tokens), max(map(len, tokens))), IGNORED)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = torch.tensor(ids)
    return padded


class SoftLikelihood:
    """The frozen subject as a reader of soft prompts."""

    def __init__(self, subject: TrainedSubject, targets: Tensor) -> None:
        """`targets` [labels, longest] as `pad_targets` makes them."""
        self.subject = subject
        self.targets = targets.to(subject.device)
        self.lengths = (self.targets != IGNORED).sum(1)
        self.embedding = subject.model.get_input_embeddings().weight.detach()

    def token_losses(self, prompts: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Losses in nats of the labels' tokens, flat [tokens], and the row that each token is of, [tokens].

        `prompts` [pairs, slots, width], `labels` [pairs]. The tokens of one label stand together, its end last.
        """
        wanted = self.targets[labels][:, : int(self.lengths[labels].max())]
        known = wanted != IGNORED
        text = self.embedding[wanted[:, :-1].clamp_min(0)]
        with autocast(self.subject.device, self.subject.dtype):
            inputs = torch.cat([prompts, text], dim=1)
            hidden = self.subject.model.model(inputs_embeds=inputs, use_cache=False).last_hidden_state
            # The last slot predicts the first token of the label.
            logits = hidden[:, prompts.shape[1] - 1 :][known] @ self.embedding.T
        losses = functional.cross_entropy(logits.float(), wanted[known], reduction="none")
        return losses, known.nonzero()[:, 0]

    def loss(self, prompts: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of all label tokens, in nats a token."""
        return self.token_losses(prompts, labels)[0].mean()

    @torch.no_grad()
    def scores(self, prompts: Tensor, labels: Tensor) -> Tensor:
        """Mean log-likelihood a token of each pair's label, its end included, [pairs]."""
        losses, rows = self.token_losses(prompts, labels)
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
