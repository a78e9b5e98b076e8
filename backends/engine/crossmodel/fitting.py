"""Fitting a linear map between two residual streams, and measuring it on pairs that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from backends.engine.crossmodel.card import Kind, Swept, Worth
from investigator.errors import BadInput

Floats = NDArray[np.float64]
PENALTY = 100.0
"""Lambda of the ridge (cross-model NLA, setup)."""
HELDOUT = 0.2
"""Share of the sentences that is held out (cross-model NLA, setup)."""
SENTENCES = 1000
"""Sentences that a map is fitted on and measured with, at least (cross-model NLA, setup)."""
SWEEP = tuple(float(10**power) for power in range(-2, 7))
"""Penalties that are tried beside the asked one."""
FEWEST = 20
"""Fewer sentences than this leave fewer than four to measure on."""


class Split(NamedTuple):
    """Pairs of pooled activations, `[sentences, width]`, in a training and a held-out part."""

    source: Floats
    target: Floats
    source_held: Floats
    target_held: Floats


@dataclass(frozen=True)
class Fit:
    """y = W (x - source_mean) + target_mean."""

    matrix: Floats
    """W, `[target width, source width]`."""
    source_mean: Floats
    target_mean: Floats

    def apply(self, vectors: Floats) -> Floats:
        """Map activations `[.., source width]`."""
        mapped: Floats = (vectors - self.source_mean) @ self.matrix.T + self.target_mean
        return mapped


def split(source: Floats, target: Floats, *, heldout: float, seed: int) -> Split:
    """Hold a share of the pairs out, by a seeded order; raise BadInput where too few are left on a side."""
    count = len(source)
    if count < FEWEST:
        raise BadInput(f"{count} sentences are too few to fit and measure a map on.", f"Give at least {FEWEST}.")
    held = round(count * heldout)
    if not 2 <= held <= count - 2:
        raise BadInput(f"A share of {heldout} holds {held} of {count} sentences out.", "Choose from 0.05 to 0.5.")
    order = np.random.default_rng(seed).permutation(count)
    train, test = np.sort(order[held:]), np.sort(order[:held])
    return Split(source[train], target[train], source[test], target[test])


def ridge(source: Floats, target: Floats, penalty: float) -> Fit:
    """Fit by ridge regression with an unpenalised intercept."""
    from sklearn.linear_model import Ridge

    found: Any = Ridge(alpha=penalty).fit(source, target)
    return Fit(np.atleast_2d(found.coef_), source.mean(0), target.mean(0))


def procrustes(source: Floats, target: Floats) -> Fit:
    """Fit a rotation and one scale between centred clouds; the narrower space is padded with zeros."""
    from scipy.linalg import orthogonal_procrustes

    source_mean, target_mean = source.mean(0), target.mean(0)
    width = max(source.shape[1], target.shape[1])
    left, right = _padded(source - source_mean, width), _padded(target - target_mean, width)
    rotation, total = orthogonal_procrustes(left, right)
    scale = total / max(float((left**2).sum()), 1e-12)
    matrix = (scale * rotation).T[: target.shape[1], : source.shape[1]]
    return Fit(matrix, source_mean, target_mean)


def _padded(vectors: Floats, width: int) -> Floats:
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def fit(kind: Kind, source: Floats, target: Floats, penalty: float) -> Fit:
    """Fit a map of a kind."""
    return ridge(source, target, penalty) if kind == "ridge" else procrustes(source, target)


def permuted(kind: Kind, parts: Split, penalty: float, seed: int) -> Fit:
    """Fit the same on shuffled pairs: what a map gets from the two clouds alone."""
    order = np.random.default_rng(seed + 1).permutation(len(parts.target))
    return fit(kind, parts.source, parts.target[order], penalty)


def worth(found: Fit, shuffled: Fit, parts: Split) -> Worth:
    """Measure a map on held-out pairs, beside the mean predictor and the map of shuffled pairs."""
    truth, mapped, other = parts.target_held, found.apply(parts.source_held), shuffled.apply(parts.source_held)
    mean = found.target_mean
    return Worth(
        cosine=_cosine(mapped, truth),
        mean_cosine=_cosine(np.broadcast_to(mean, truth.shape), truth),
        centred_cosine=_cosine(mapped - mean, truth - mean),
        variance=_explained(mapped, truth, mean),
        permuted=_explained(other, truth, mean),
        permuted_cosine=_cosine(other - mean, truth - mean),
    )


def swept(parts: Split, penalties: tuple[float, ...] = SWEEP) -> tuple[Swept, ...]:
    """Measure a ridge of every penalty on the held-out pairs."""
    rows = []
    for penalty in penalties:
        found = ridge(parts.source, parts.target, penalty)
        mapped, truth, mean = found.apply(parts.source_held), parts.target_held, found.target_mean
        rows.append(
            Swept(
                penalty=penalty,
                cosine=_cosine(mapped, truth),
                centred_cosine=_cosine(mapped - mean, truth - mean),
                variance=_explained(mapped, truth, mean),
            )
        )
    return tuple(rows)


def _cosine(left: Floats, right: Floats) -> float:
    """Return the mean cosine of rows; a row of zeros has cosine 0 with everything."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(1) / np.maximum(norms, 1e-12)).mean())


def _explained(mapped: Floats, truth: Floats, mean: Floats) -> float:
    """Return 1 - |mapped - truth|^2 / |mean - truth|^2, with the mean of the training part."""
    return 1.0 - float(((mapped - truth) ** 2).sum()) / max(float(((mean - truth) ** 2).sum()), 1e-12)


def tensor(values: Floats) -> torch.Tensor:
    """Return an array as float32."""
    return torch.from_numpy(np.ascontiguousarray(values)).float()
