"""What a linear probe misses: a Gaussian process over its errors at the positions scored so far.

Two positions are as alike as the directions of their mapper inputs: k = exp(r (cos - 1)).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Tried on pocket with six sentences scored exactly at 10,000 positions and a search that scores 350 of them: recall at
# 20 is 0.90 for r = 1.5, 0.90 for 3 and 0.83 for 5; with 4, 8 and 16 anchors of the probe 0.87, 0.90 and 0.92; with 6,
# 10 and 20 rounds 0.89, 0.90 and 0.90. Without this correction it is 0.05 to 0.2 less.
_SHARPNESS = 2.5
_NOISE = 0.05


def corrections(known: Tensor, errors: Tensor, wanted: Tensor) -> Tensor:
    """Return the expected errors at `wanted` `[m, d]`, given errors `[n]` at `known` `[n, d]`; float32 `[m]`."""
    known, wanted = _unit(known), _unit(wanted)
    mean = errors.mean()
    gram = _kernel(known, known).double()
    gram.diagonal().add_(_NOISE)
    weights = torch.cholesky_solve((errors - mean).double()[:, None], torch.linalg.cholesky(gram))[:, 0]
    found: Tensor = _kernel(wanted, known) @ weights.float() + mean.float()
    return found


def _unit(inputs: Tensor) -> Tensor:
    found: Tensor = inputs / inputs.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return found


def _kernel(left: Tensor, right: Tensor) -> Tensor:
    found: Tensor = (left @ right.T).sub_(1.0).mul_(_SHARPNESS).exp_()
    return found
