"""Features of every text under one source, and the ridge regressions that turn them into an estimated gap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TANGENTS = 7
"""Number of features that `tangent_features` makes."""
# Inverse squared widths of the blends: far anchors count as much as near ones, ever less, and hardly at all.
_SHARPNESS = (0.0, 5.0, 20.0, 80.0)
# What stands out matters more than what does not: a text's weight grows e-fold with each nat of its gap, to here.
_MOST = 2.0
_RIDGE = 1.0


def tangent_features(tangents: Tensor, distances: Tensor, means: Tensor) -> Tensor:
    """Return `[texts, 7]`: tangents `[anchors, texts]` above the means, blended by distance, and how they disagree.

    `distances` `[anchors]` are squared, from the source to each anchor. A blend weighs an anchor by
    exp(-sharpness / 2 * squared distance).
    """
    gaps = tangents - means
    weights = torch.stack([torch.softmax(-sharpness / 2 * distances, 0) for sharpness in _SHARPNESS])
    high, low = gaps.amax(0), gaps.amin(0)
    # By moments: torch's own deviation over the short axis takes ten times as long.
    spread = (gaps.square().mean(0) - gaps.mean(0).square()).clamp_min(0).sqrt()
    return torch.cat([(weights @ gaps).T, high[:, None], low[:, None], spread[:, None]], dim=1)


def constant_features(scores: Tensor, means: Tensor, lengths: Tensor) -> Tensor:
    """Return `[texts, 3]`, the same under every source: 1 / tokens, the mean, and the anchors' mean score above it."""
    return torch.stack([1 / lengths, means, scores.mean(0) - means], dim=1)


@dataclass(frozen=True)
class Ridge:
    """A linear map from standardised features to a gap."""

    centre: Tensor
    scale: Tensor
    weights: Tensor
    """[features + 1], the constant last."""

    def standardised(self, features: Tensor) -> Tensor:
        """Return features as the regression sees them."""
        return (features - self.centre) / self.scale

    def __call__(self, features: Tensor) -> Tensor:
        """Return estimated gaps `[texts]` of `[texts, features]`."""
        slopes = self.weights[:-1] / self.scale
        return features @ slopes + (self.weights[-1] - self.centre @ slopes)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return what is stored."""
        return {f"{name}.centre": self.centre, f"{name}.scale": self.scale, f"{name}.weights": self.weights}

    @classmethod
    def of(cls, tensors: dict[str, Tensor], name: str) -> Ridge:
        """Read what was stored."""
        return cls(tensors[f"{name}.centre"], tensors[f"{name}.scale"], tensors[f"{name}.weights"])


class RidgeFit:
    """Collects normal equations source by source, so that no table of all sources is ever kept."""

    def __init__(self, features: Tensor) -> None:
        """Take centre and scale of the features `[texts, features]` of a first source."""
        good = features[torch.isfinite(features).all(1)]
        self.centre = good.mean(0)
        self.scale = good.std(0, correction=0).clamp_min(1e-6)
        width = features.shape[1] + 1
        self._products = torch.zeros(width, width, dtype=torch.float64)
        self._targets = torch.zeros(width, dtype=torch.float64)

    def add(self, features: Tensor, gaps: Tensor) -> None:
        """Add the texts of one source `[texts, features]` with their exact gaps `[texts]`; NaN is left out."""
        good = torch.isfinite(features).all(1) & torch.isfinite(gaps)
        inputs = (features[good] - self.centre) / self.scale
        inputs = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1).double()
        gaps = gaps[good].double()
        weighted = inputs * gaps.clamp(-_MOST, _MOST).exp()[:, None]
        self._products += weighted.T @ inputs
        self._targets += weighted.T @ gaps

    def solve(self) -> Ridge:
        """Return the regression."""
        penalty = _RIDGE * torch.eye(len(self._products), dtype=torch.float64)
        weights = torch.linalg.solve(self._products + penalty, self._targets)
        return Ridge(self.centre, self.scale, weights.float())
