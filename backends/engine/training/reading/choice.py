"""Which places a reader is shown for a latent, and which are kept back to check what was written."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from backends.engine.training.reading.material import SHOWN, UNSHOWN, Material, Places
from backends.engine.training.statistics import sample_places

QUANTILES = (0.75, 0.5, 0.25, 0.08)
"""Of a latent's activations: where its weaker firings are shown."""
_NEAR_PLACES = 60_000
_NEAR_KEPT = 8
_LATENTS_A_BLOCK = 512
_LOOKED_AT = 400
_PEAK_TOKENS = 3
NOWHERE = Places(np.zeros(0, np.int32), np.zeros(0, np.int32))


@dataclass(frozen=True)
class Shown:
    """What a sheet shows of a latent: the strongest firings, weaker ones with their strength, and near misses."""

    top: Places
    weaker: Places
    strengths: NDArray[np.float32]
    """Activation of each weaker firing as a share of the latent's largest."""
    alike: Places
    """The token of the strongest firings, where the latent is silent."""
    near: Places
    """Where the latent came closest to firing and did not."""


def _in_half(material: Material, latent: int, half: int) -> tuple[Places, NDArray[np.float32]]:
    own = material.latents.of(latent)
    places = Places(material.latents.rows[own], material.latents.positions[own])
    kept = np.flatnonzero(material.half(places) == bool(half))
    return places.some(kept), material.latents.activations[own][kept]


def distinct(material: Material, places: Places, order: Iterable[int], count: int) -> list[int]:
    """The first `count` of the places in an order, one a document and one a phrase of three tokens."""
    passages = material.firings.passages
    seen: set[int | bytes] = set()
    found: list[int] = []
    for place in order:
        row, position = int(places.rows[place]), int(places.positions[place])
        document = int(passages.documents[row])
        phrase = passages.tokens[row, max(0, position - 2) : position + 1].tobytes()
        if document not in seen and phrase not in seen:
            seen |= {document, phrase}
            found.append(place)
        if len(found) == count:
            break
    return found


def _peak_tokens(material: Material, places: Places) -> list[int]:
    """The commonest tokens of some places, at most three."""
    tokens, counts = np.unique(material.firings.passages.tokens[places.rows, places.positions], return_counts=True)
    return [int(token) for token in tokens[np.argsort(-counts, kind="stable")][:_PEAK_TOKENS]]


def silent_alike(material: Material, latent: int, like: Places, half: int, count: int, seed: int) -> Places:
    """Places with a token of the places `like`, in documents of one half, at which the latent does not fire."""
    draw = np.random.default_rng([seed, latent, half])
    parts = [NOWHERE]
    for token in _peak_tokens(material, like):
        standing = material.tokens.of(token)
        places = standing.some(draw.choice(len(standing), min(_LOOKED_AT, len(standing)), replace=False))
        kept = np.flatnonzero((material.half(places) == bool(half)) & ~material.fires(latent, places))
        parts.append(places.some(np.array(distinct(material, places, kept.tolist(), count), dtype=np.int64)))
    rows = [np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "positions")]
    joined = Places(*rows)
    order = np.argsort(np.concatenate([np.arange(len(part)) for part in parts]), kind="stable")
    return joined.some(order[:count])


@torch.no_grad()
def near_misses(material: Material) -> dict[int, Places]:
    """For every latent the shown places, of a sample, where its pre-activation was largest and it did not fire."""
    mask = material.firings.passages.mask(8) & (material.firings.passages.documents % 2 == SHOWN)[:, None]
    rows, positions = sample_places(mask, _NEAR_PLACES, material.seed)
    places = Places(rows.astype(np.int32), positions.astype(np.int32))
    residuals = torch.from_numpy(np.asarray(material.firings.residuals[rows, positions], dtype=np.float32))
    active = torch.from_numpy(np.asarray(material.firings.latents[rows, positions]).astype(np.int64))
    # An activation of zero fires nothing, so those latents are moved out of the table.
    fired = torch.from_numpy(np.asarray(material.firings.activations[rows, positions]) > 0)
    found: dict[int, Places] = {}
    for start in range(0, material.sae.latents, _LATENTS_A_BLOCK):
        block = material.sae.preactivations(residuals, slice(start, start + _LATENTS_A_BLOCK))
        inside = fired & (active >= start) & (active < start + block.shape[1])
        at, rank = inside.nonzero(as_tuple=True)
        block[at, active[at, rank] - start] = -torch.inf
        best = block.topk(min(_NEAR_KEPT, len(block)), dim=0).indices.numpy()
        found |= {start + column: places.some(best[:, column]) for column in range(block.shape[1])}
    return found


def choose_shown(material: Material, latent: int, near: Places, tops: int, misses: int) -> Shown:
    """At most `tops` of the strongest firings, four weaker ones and `misses` near misses, of shown documents."""
    places, values = _in_half(material, latent, SHOWN)
    order = np.argsort(-values, kind="stable")
    top = places.some(np.array(distinct(material, places, order[: 60 * tops].tolist(), tops), dtype=np.int64))
    weak = _at_quantiles(material, places, values, order)
    alike = silent_alike(material, latent, top, SHOWN, misses - 1, material.seed)
    strongest = distinct(material, near, range(len(near)), misses - len(alike))
    largest = float(material.latents.activations[material.latents.of(latent)].max(initial=1e-6))
    near = near.some(np.array(strongest, dtype=np.int64))
    return Shown(top, places.some(weak), values[weak] / np.float32(largest), alike, near)


def _at_quantiles(
    material: Material, places: Places, values: NDArray[np.float32], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """One firing near each of the quantiles, each of another document."""
    found: list[int] = []
    for quantile in QUANTILES:
        start = int((1 - quantile) * (len(order) - 1))
        nearby = order[start : start + 12].tolist()
        taken = {int(material.firings.passages.documents[places.rows[place]]) for place in found}
        fresh = [p for p in nearby if int(material.firings.passages.documents[places.rows[p]]) not in taken]
        found += distinct(material, places, fresh, 1)
    return np.array(found, dtype=np.int64)


def unshown_firings(material: Material, latent: int, count: int) -> tuple[Places, NDArray[np.float32]]:
    """At most `count` firings of documents that were not shown, with their activations.

    A third are the strongest, the others are drawn at random.
    """
    places, values = _in_half(material, latent, UNSHOWN)
    order = np.argsort(-values, kind="stable")
    strongest = distinct(material, places, order[: 20 * count].tolist(), count // 3)
    rest = np.setdiff1d(order, strongest)
    drawn = np.random.default_rng([material.seed, latent]).permutation(rest)[: 20 * count]
    others = distinct(material, places, drawn.tolist(), count - len(strongest))
    chosen = np.array([*strongest, *others], dtype=np.int64)
    return places.some(chosen), values[chosen]
