"""Evidence: a sample of the places where a latent fires, and of places where it does not, with what stands there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.firings import LatentFirings
from backends.engine.training.labels.words import Fields
from backends.engine.training.passages import Passages

# How many tokens before and after a place count as its surroundings.
_BEFORE, _AFTER = 28, 4


@dataclass(frozen=True)
class Evidence:
    """Some places and what stands there, as numbers of strings; `weights` sum to one."""

    weights: NDArray[np.float64]
    fields: dict[str, NDArray[np.int32]]
    """word, previous, following, prefix, suffix: [places]; around: [places, 33], words of the surroundings."""
    documents: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.weights)

    def share(self, field: str, members: NDArray[np.int32]) -> float:
        """Weighted share of the places whose field is among the members (any of them, for `around`)."""
        values = self.fields[field]
        # A lookup table is many times faster than a search; -1, nothing there, reads its last entry.
        inside = np.zeros(max(int(values.max(initial=0)), int(members.max(initial=0))) + 2, dtype=bool)
        inside[members] = True
        hit = inside[values]
        return float(self.weights @ (hit.any(1) if hit.ndim == 2 else hit))

    def masses(self, field: str, size: int, groups: NDArray[np.int32] | None = None) -> NDArray[np.float64]:
        """Weight of each value of a field, [size]; with `groups` each value counts for its group."""
        values = self.fields[field]
        values = values if groups is None else np.where(values >= 0, groups[values], -1)
        known = values >= 0
        return np.bincount(values[known], weights=self.weights[known], minlength=size).astype(np.float64)


def evidence_at(
    passages: Passages,
    fields: Fields,
    rows: NDArray[np.int32],
    positions: NDArray[np.int32],
    weights: NDArray[np.float64],
) -> Evidence:
    """Read the fields at some places."""
    offsets = np.arange(-_BEFORE, _AFTER + 1)
    offsets = offsets[offsets != 0]
    near = positions[:, None] + offsets[None]
    inside = (near >= 1) & (near < passages.tokens.shape[1])
    around = np.where(inside, fields.word[rows[:, None], np.clip(near, 0, passages.tokens.shape[1] - 1)], -1)
    # The word itself is not its own surroundings.
    around[around == fields.word[rows, positions][:, None]] = -1
    found = {
        "word": fields.word[rows, positions],
        "previous": fields.previous[rows, positions],
        "following": fields.following[rows, positions],
        "prefix": fields.prefix[rows, positions],
        "suffix": fields.suffix[rows, positions],
        "around": around.astype(np.int32),
    }
    total = weights.sum()
    return Evidence(weights / total if total else weights, found, passages.documents[rows])


def latent_evidence(
    passages: Passages, fields: Fields, latents: LatentFirings, latent: int, *, half: int, most: int, seed: int
) -> Evidence:
    """At most `most` firings in the documents of one half (0 or 1), weighted by activation.

    A third are the strongest, the others are drawn at random, so that weaker firings have their say.
    """
    own = latents.of(latent)
    rows, positions, values = latents.rows[own], latents.positions[own], latents.activations[own]
    places = np.flatnonzero(passages.documents[rows] % 2 == half)
    if len(places) > most:
        places = places[np.argsort(-values[places], kind="stable")]
        rest = np.random.default_rng([seed, latent]).choice(places[most // 3 :], most - most // 3, replace=False)
        places = np.concatenate([places[: most // 3], rest])
    return evidence_at(passages, fields, rows[places], positions[places], values[places].astype(np.float64))


def base_evidence(passages: Passages, fields: Fields, *, count: int, seed: int) -> Evidence:
    """Evenly weighted places drawn from all tokens: what stands anywhere."""
    rows, positions = np.nonzero(passages.mask())
    draw = np.random.default_rng(seed)
    chosen = draw.choice(len(rows), min(count, len(rows)), replace=False)
    ones = np.ones(len(chosen))
    return evidence_at(passages, fields, rows[chosen].astype(np.int32), positions[chosen].astype(np.int32), ones)
