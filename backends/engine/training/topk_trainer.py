"""The arithmetic of a TopK sparse autoencoder in training, with gradients by hand.

Gao et al., "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093): TopK activation, decoder rows of unit
norm, and an auxiliary loss that has latents which died rebuild what the living ones miss. Only k of the latents carry
a gradient, so writing it out touches two dense products a step instead of five.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")


@dataclass
class Weights:
    """W_enc [width, latents], b_enc [latents], W_dec [latents, width] with unit rows, b_dec [width]."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor

    @classmethod
    def initial(cls, width: int, latents: int, generator: torch.Generator, device: str = "cpu") -> "Weights":
        """Random unit decoder rows, the encoder their transpose, no biases; drawn on the generator's device."""
        rows = functional.normalize(torch.randn(latents, width, generator=generator), dim=1)
        parts = (rows.T.contiguous(), torch.zeros(latents), rows.clone(), torch.zeros(width))
        return cls(*(part.to(device) for part in parts))

    def all(self) -> list[Tensor]:
        """The four tensors in the order of NAMES."""
        return [self.W_enc, self.b_enc, self.W_dec, self.b_dec]

    def preactivations(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """(x - b_dec) W_enc + b_enc, float32 [positions, latents]; the product in `dtype`."""
        return ((x - self.b_dec).to(dtype) @ self.W_enc.to(dtype)).float() + self.b_enc

    def decode(self, latents: Tensor, values: Tensor) -> Tensor:
        """Sum of the chosen decoder rows, without b_dec; `latents` and `values` [positions, k]."""
        return functional.embedding_bag(latents, self.W_dec, per_sample_weights=values, mode="sum")


_GROUP = 16


def select(preactivations: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k strongest latents of every position and their activations (ReLU of them), both [positions, k]."""
    values, latents = _grouped_topk(preactivations, k)
    return latents, values.relu()


def _grouped_topk(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of every row, found among the k groups of 16 with the largest maxima: they can be nowhere else.

    The maxima are one quick pass, so this takes a fifth of the time of `topk` over rows of 4,096.
    """
    rows, columns = values.shape
    if columns % _GROUP or columns < 4 * k * _GROUP // 2:
        return values.topk(k, dim=-1, sorted=False)
    groups = values.view(rows, -1, _GROUP)
    best = groups.amax(-1).topk(k, dim=-1, sorted=False).indices
    candidates = groups.gather(1, best[:, :, None].expand(-1, -1, _GROUP)).flatten(1)
    found, places = candidates.topk(k, dim=-1, sorted=False)
    latents = best.gather(1, places // _GROUP) * _GROUP + places % _GROUP
    return found, latents


def _dense(latents: Tensor, values: Tensor, columns: int, dtype: torch.dtype) -> Tensor:
    """Values [positions, k] at their latents in a matrix of zeros [positions, columns]."""
    flat = latents + torch.arange(len(latents), device=latents.device)[:, None] * columns
    empty = torch.zeros(len(latents) * columns, dtype=dtype, device=latents.device)
    # index_copy_ on the flat matrix takes a hundredth of the time of scatter_ along rows.
    return empty.index_copy_(0, flat.flatten(), values.to(dtype).flatten()).view(len(latents), columns)


@dataclass
class Gradients:
    """Sums of gradients of all parts of the loss, in the order of NAMES."""

    parts: list[Tensor]

    @classmethod
    def zeros(cls, weights: Weights) -> "Gradients":
        """No gradient yet."""
        return cls([torch.zeros_like(tensor) for tensor in weights.all()])

    def add(
        self, weights: Weights, x: Tensor, latents: Tensor, values: Tensor, error: Tensor, dtype: torch.dtype
    ) -> None:
        """Add the gradient of a reconstruction by the chosen latents.

        `x` [positions, width] is what was encoded, `error` the loss's gradient by the reconstruction without b_dec.
        """
        columns = len(weights.W_dec)
        chosen = weights.W_dec.to(dtype).index_select(0, latents.flatten()).view(*latents.shape, -1)
        by_value = torch.bmm(chosen, error.to(dtype)[:, :, None]).squeeze(2).float() * (values > 0)
        by_latent = _dense(latents, by_value, columns, dtype)
        active = _dense(latents, values, columns, dtype)
        centred = (x - weights.b_dec).to(dtype)
        bias = torch.zeros_like(self.parts[1]).index_add_(0, latents.flatten(), by_value.flatten())
        self.parts[0] += centred.T @ by_latent
        self.parts[1] += bias
        self.parts[2] += active.T @ error.to(dtype)
        self.parts[3] -= weights.W_enc @ bias


class TopKTrainer:
    """Takes optimiser steps on batches of centred and scaled activations."""

    def __init__(
        self,
        weights: Weights,
        *,
        k: int,
        rate: float,
        auxiliary_k: int,
        auxiliary_weight: float,
        dead_tokens: int,
        dtype: torch.dtype,
    ) -> None:
        self.weights = weights
        self.k, self.rate, self.dtype = k, rate, dtype
        self.auxiliary_k, self.auxiliary_weight, self.dead_tokens = auxiliary_k, auxiliary_weight, dead_tokens
        self.silent = torch.zeros_like(weights.b_enc, dtype=torch.int64)
        self.optimiser = torch.optim.Adam(weights.all(), lr=rate, betas=(0.9, 0.999), eps=6.25e-10)

    @property
    def dead(self) -> Tensor:
        """Latents that have not fired for `dead_tokens` activations."""
        return self.silent >= self.dead_tokens

    @torch.no_grad()
    def step(self, x: Tensor, factor: float) -> float:
        """One step at `factor` of the learning rate; the batch's fraction of variance unexplained before it."""
        weights = self.weights
        pre = weights.preactivations(x, self.dtype)
        latents, values = select(pre, self.k)
        missing = x - weights.decode(latents, values) - weights.b_dec
        gradients = Gradients.zeros(weights)
        # Both losses are shares of the variance they explain, so that their weights do not depend on its scale.
        variance = (x - x.mean(0)).square().sum()
        error = missing * (-2.0 / variance)
        gradients.add(weights, x, latents, values, error, self.dtype)
        gradients.parts[3] += error.sum(0)
        self._count(latents, values)
        self._add_auxiliary(gradients, x, pre, missing)
        self._move(gradients, factor)
        return float(missing.square().sum() / variance)

    def _count(self, latents: Tensor, values: Tensor) -> None:
        self.silent += len(latents)
        self.silent[latents[values > 0]] = 0

    def _add_auxiliary(self, gradients: Gradients, x: Tensor, pre: Tensor, missing: Tensor) -> None:
        dead = self.dead.nonzero().squeeze(1)
        if not len(dead):
            return
        places, values = select(pre[:, dead], min(self.auxiliary_k, len(dead)))
        latents = dead[places]
        left = missing - self.weights.decode(latents, values)
        scale = self.auxiliary_weight / missing.square().sum()
        gradients.add(self.weights, x, latents, values, left * (-2.0 * scale), self.dtype)

    def _move(self, gradients: Gradients, factor: float) -> None:
        rows = self.weights.W_dec
        along = (gradients.parts[2] * rows).sum(1, keepdim=True)
        gradients.parts[2] -= along * rows
        for parameter, gradient in zip(self.weights.all(), gradients.parts, strict=True):
            parameter.grad = gradient
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * factor
        self.optimiser.step()
        self.optimiser.zero_grad()
        rows.copy_(functional.normalize(rows, dim=1))
