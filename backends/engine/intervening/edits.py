"""What an intervention adds to a block's output: a direction, minus some latents, or random directions of that norm."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from backends.engine.saes import Sae


class Edit(Protocol):
    """What is added to the residual stream at the changed positions."""

    def delta(self, hidden: Tensor) -> Tensor:
        """Return what to add, float32 `[batch, positions, d]`, given the block's output there, of the same shape."""
        ...


class Add:
    """The same direction everywhere, times the dose."""

    def __init__(self, direction: Tensor, dose: float) -> None:
        self._step = dose * direction

    def delta(self, hidden: Tensor) -> Tensor:
        """Return the direction at every position."""
        return self._step.expand(hidden.shape)


class Ablate:
    """Minus each latent's own activation at a position times its decoder row, times the dose."""

    def __init__(self, sae: Sae, latents: tuple[int, ...], dose: float) -> None:
        self._sae, self._latents, self._dose = sae, list(latents), dose
        self._rows = sae.decoder[self._latents].float().cpu()

    def delta(self, hidden: Tensor) -> Tensor:
        """Return what takes the latents away."""
        activations = self._sae.encode(hidden.float().cpu())[..., self._latents].float().cpu()
        taken: Tensor = self._dose * (activations @ self._rows)
        return -taken


class RandomTwins:
    """One random direction a row of the batch, at every position as long as what the edit itself adds there."""

    def __init__(self, edit: Edit, directions: Tensor) -> None:
        """`directions`: unit vectors `[batch, d]`."""
        self._edit, self._directions = edit, directions

    def delta(self, hidden: Tensor) -> Tensor:
        """Return the random directions, scaled."""
        lengths = self._edit.delta(hidden).float().norm(dim=-1, keepdim=True)
        scaled: Tensor = lengths * self._directions[:, None]
        return scaled


def unit_directions(count: int, width: int, seed: int) -> Tensor:
    """Return random unit vectors `[count, width]`, in every direction alike, one seed each: `seed`, `seed + 1`, ..."""
    rows = [torch.randn(width, generator=torch.Generator().manual_seed(seed + at)) for at in range(count)]
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1) if rows else torch.empty(0, width)
