"""What a linear probe misses: a Gaussian process over its errors at the positions scored so far.

Two positions are as alike as the directions of their mapper inputs: k = exp(r (cos - 1)).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Chosen on pocket with exact scores of 10,000 positions: recall at 20 after 500 of them is 0.8 to 1.0 for r from 1.5
# to 3 and less for 6, and does not change with the noise from 0.01 to 0.2.
_SHARPNESS = 3.0
_NOISE = 0.05


def corrections(known: Tensor, errors: Tensor, wanted: Tensor) -> Tensor:
    """Return the expected errors at `wanted` `[m, d]`, given errors `[n]` at `known` `[n, d]`; float32 `[m]`."""
    known, wanted = _unit(known), _unit(wanted)
    mean = errors.mean()
    gram = _kernel(known, known).double()
    gram.diagonal().add_(_NOISE)
    weights = torch.cholesky_solve((errors - mean).double()[:, None], torch.linalg.cholesky(gram))[:, 0]
    return (_kernel(wanted, known) @ weights.float()) + mean.float()


def _unit(inputs: Tensor) -> Tensor:
    return inputs / inputs.norm(dim=1, keepdim=True).clamp_min(1e-12)


def _kernel(left: Tensor, right: Tensor) -> Tensor:
    return (left @ right.T).sub_(1.0).mul_(_SHARPNESS).exp_()
