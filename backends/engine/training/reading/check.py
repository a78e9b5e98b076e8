"""How well a label tells where its latent fires, on documents that its reader was not shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.engine.embedding import Embedder, Vectors
from backends.engine.training.reading.choice import silent_alike, unshown_firings
from backends.engine.training.reading.excerpts import plain, seen
from backends.engine.training.reading.material import UNSHOWN, Material, Places
from backends.engine.training.reading.quoted import Seen, rule_of
from backends.engine.training.statistics import sample_places

_FIRING, _ALIKE, _ANYWHERE = 20, 10, 80
_SPANS = (8, 24)
"""Tokens of the two texts that are embedded beside the word itself: many labels speak of the word, some of a topic."""
_LATENTS_AT_ONCE = 64


@dataclass(frozen=True)
class Check:
    """Numbers between 0 and 1, 0.5 by chance; firing places count by their activation."""

    auroc: float
    """By the embedder: firing places against places drawn anywhere."""
    alike: float | None
    """The same against silent places with the same token; None where there are none."""
    rule: float | None
    """Balanced accuracy of what the label quotes or names, against places drawn anywhere; None where it does not."""
    firing: int
    """How many firing places were looked at."""

    @property
    def score(self) -> float:
        """The better of the two: a label about spelling is nothing to an embedder, a topic nothing to a rule."""
        return max(self.auroc, self.rule or 0.0)


def auroc(firing: NDArray[np.float64], silent: NDArray[np.float64], weights: NDArray[np.float32]) -> float:
    """The chance that a firing place, drawn by weight, has a value above a silent one's; ties count half."""
    ordered = np.sort(silent)
    below = np.searchsorted(ordered, firing, side="left") + np.searchsorted(ordered, firing, side="right")
    return float(np.average(below, weights=weights) / (2 * len(silent)))


@dataclass(frozen=True)
class Looked:
    """Places with their words and texts."""

    places: Places
    weights: NDArray[np.float32]
    seen: list[Seen]
    texts: list[tuple[str, ...]]
    """The word and the longer spans of each place."""


def look(material: Material, places: Places, weights: NDArray[np.float32] | None = None) -> Looked:
    """Read what stands at some places, which count alike where no weights are given."""
    pairs = list(zip(places.rows.tolist(), places.positions.tolist(), strict=True))
    found = [seen(material, row, position, max(_SPANS)) for row, position in pairs]
    spans = [tuple(plain(material, row, position, span) for span in _SPANS) for row, position in pairs]
    texts = [(one.word, *more) for one, more in zip(found, spans, strict=True)]
    return Looked(places, np.ones(len(places), np.float32) if weights is None else weights, found, texts)


def anywhere(material: Material) -> Looked:
    """Places drawn from all text of the documents that are not shown, the same for every latent."""
    mask = material.firings.passages.mask() & (material.firings.passages.documents % 2 == UNSHOWN)[:, None]
    rows, positions = sample_places(mask, _ANYWHERE, material.seed)
    return look(material, Places(rows.astype(np.int32), positions.astype(np.int32)))


def check_labels(material: Material, labels: dict[int, str], embedder: Embedder) -> Iterator[tuple[int, Check | None]]:
    """The check of each latent's label, None for a latent that fires nowhere in the documents that were not shown."""
    base = anywhere(material)
    base_vectors = _vectors(embedder, base)
    latents = list(labels)
    for start in range(0, len(latents), _LATENTS_AT_ONCE):
        some = latents[start : start + _LATENTS_AT_ONCE]
        looked = [_looked(material, latent) for latent in some]
        written = embedder.embed([labels[latent] for latent in some])
        found = _split(embedder, [part for pair in looked for part in pair])
        for row, latent in enumerate(some):
            near = [_values(found[2 * row + side], written[row]) for side in (0, 1)]
            far = _values(base_vectors, written[row])[~material.fires(latent, base.places)]
            yield latent, _check(labels[latent], looked[row][0], base, near, far)


def _looked(material: Material, latent: int) -> tuple[Looked, Looked]:
    firing, activations = unshown_firings(material, latent, _FIRING)
    alike = silent_alike(material, latent, firing, UNSHOWN, _ALIKE, material.seed)
    return look(material, firing, activations), look(material, alike)


def _check(
    label: str, firing: Looked, base: Looked, near: list[NDArray[np.float64]], far: NDArray[np.float64]
) -> Check | None:
    if not len(near[0]) or not len(far):
        return None
    met, rule = rule_of(label), None
    if met is not None:
        held, elsewhere = (np.array([met(one) for one in looked.seen], dtype=np.float64) for looked in (firing, base))
        rule = float(0.5 * (np.average(held, weights=firing.weights) + 1.0 - elsewhere.mean()))
    alike = auroc(near[0], near[1], firing.weights) if len(near[1]) else None
    return Check(auroc(near[0], far, firing.weights), alike, rule, len(near[0]))


def _vectors(embedder: Embedder, looked: Looked) -> Vectors:
    return _split(embedder, [looked])[0]


def _split(embedder: Embedder, looked: list[Looked]) -> list[Vectors]:
    """Vectors [places, spans, width] of each part, every distinct text embedded once."""
    # Texts of one length together, so that an embedder wastes little on padding.
    texts = sorted({text for part in looked for spans in part.texts for text in spans}, key=lambda one: (len(one), one))
    vectors = embedder.embed(texts or [""])
    rows = {text: row for row, text in enumerate(texts)}
    return [
        vectors[np.array([[rows[text] for text in spans] for spans in part.texts], dtype=np.int64).reshape(-1, 3)]
        for part in looked
    ]


def _values(vectors: Vectors, label: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean cosine of the label with the word and the spans of each place, [places]."""
    found: NDArray[np.float64] = (vectors @ label).mean(1).astype(np.float64)
    return found
