"""Where an index is linearised: centres of the background's mapper inputs."""

from __future__ import annotations

import torch
from torch import Tensor

# Lloyd's iterations; a few hundred points have settled by then.
_ITERATIONS = 25


def choose_anchors(inputs: Tensor, count: int, *, seed: int = 0) -> Tensor:
    """Return `count` centres `[count, d]` of inputs `[n, d]`, by k-means++ and Lloyd's iterations.

    A centre of several unit vectors lies inside the sphere: nearer to each of them than they are to each other, which
    is what a linearisation wants.
    """
    inputs = inputs.float()
    count = min(count, len(inputs))
    generator = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(inputs), (1,), generator=generator))]
    while len(chosen) < count:
        nearest = torch.cdist(inputs, inputs[chosen]).amin(1).square()
        if not float(nearest.sum()) > 0:
            break
        chosen.append(int(torch.multinomial(nearest, 1, generator=generator)))
    centres = inputs[chosen]
    for _ in range(_ITERATIONS):
        nearest = torch.cdist(inputs, centres).argmin(1)
        centres = torch.stack([_centre(inputs[nearest == index], old) for index, old in enumerate(centres)])
    return centres


def _centre(members: Tensor, old: Tensor) -> Tensor:
    return members.mean(0) if len(members) else old
