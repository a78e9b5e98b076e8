"""Which latent speaks for a position: the sampling of L2EL, appendix A."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Numbers = NDArray[np.float32]
_EPSILON = 1e-6
# An inter-quartile range over this is a robust standard deviation (of a normal distribution).
_IQR_OF_SIGMA = 1.349


@dataclass(frozen=True)
class LatentScale:
    """What appendix A needs to know of every latent."""

    rate: Numbers
    median: Numbers
    sigma: Numbers

    @classmethod
    def load(cls, folder: Path) -> "LatentScale":
        """Read `latents.safetensors` of a layer's statistics."""
        stored = load_file(folder / "latents.safetensors")
        sigma = np.maximum(stored["iqr"] / _IQR_OF_SIGMA, _EPSILON)
        return cls(stored["rate"], stored["median"], sigma)


@dataclass(frozen=True)
class DrawSettings:
    """Firing rate at most `most_rate`; the `top` by robust z; one of them drawn uniformly."""

    most_rate: float = 0.01
    top: int = 5


def top_by_z(
    latents: NDArray[np.uint16], activations: Numbers, scale: LatentScale, settings: DrawSettings
) -> NDArray[np.int32]:
    """The active latents that pass the rate filter, by robust z, best first: [places, top], -1 where there are fewer.

    An active latent's activation is its pre-activation, so z = (activation - median) / sigma.
    """
    chosen = latents.astype(np.int64)
    z = (activations - scale.median[chosen]) / scale.sigma[chosen]
    z = np.where((activations > 0) & (scale.rate[chosen] <= settings.most_rate), z, -np.inf)
    order = np.argsort(-z, axis=1, kind="stable")[:, : settings.top]
    best = np.take_along_axis(chosen, order, axis=1)
    return np.where(np.isfinite(np.take_along_axis(z, order, axis=1)), best, -1).astype(np.int32)


def draw_one(best: NDArray[np.int32], allowed: NDArray[np.bool_], seed: int) -> NDArray[np.int32]:
    """One allowed latent of each row of `top_by_z`, uniformly; -1 where none is allowed."""
    usable = (best >= 0) & allowed[np.maximum(best, 0)]
    keys = np.random.default_rng(seed).random(best.shape)
    pick = np.where(usable, keys, -1.0).argmax(axis=1)
    drawn = best[np.arange(len(best)), pick]
    return np.where(usable.any(axis=1), drawn, -1).astype(np.int32)
