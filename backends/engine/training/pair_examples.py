"""What a verbalizer and a reconstructor learn from: activations, and short texts that say what holds there.

A text is two to four labels of the latents that stand out most, as a person would list them, and the word that the
activation ends on in quotes: at the end, where a reconstructor's frozen blocks find it (a ridge on them brings back
0.20 of pocket's variance, 0.10 with the word in front). Held-out labels are in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.training.draws import DrawSettings, LatentScale, top_by_z
from backends.engine.training.firings import Firings, firings_folder
from backends.engine.training.folders import Folders
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.mapper_pairs import heldout_places
from backends.engine.training.recipe import Recipe
from backends.engine.training.statistics import latents_folder
from backends.engine.training.tokenizer import load_tokenizer

LEAST_LABELS, MOST_LABELS = 2, 4
_PIECES = 3
"""Tokens before the last one in which its word may begin."""
_BETWEEN = "; "
_PLACES_OF_A_ROW = 4


@dataclass(frozen=True)
class Examples:
    """Activations `residuals` float16 [n, width], and the text of each."""

    residuals: NDArray[np.float16]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def vectors(self, places: NDArray[np.int64]) -> Tensor:
        """The activations at some places, float32 [places, width]."""
        return torch.from_numpy(self.residuals[places].astype(np.float32))

    def elsewhere(self) -> Examples:
        """The same texts with the activations of other places."""
        return Examples(np.roll(self.residuals, len(self) // 2, axis=0), self.texts)


def say(labels: list[str], quoted: str, draw: np.random.Generator) -> str:
    """One text of labels, the most telling first: some of them, and the word that stands there."""
    count = min(len(labels), int(draw.integers(LEAST_LABELS, MOST_LABELS + 1)))
    return _BETWEEN.join([*labels[:count], *([f'"{quoted}"'] if quoted else [])])


def quoted_word(pieces: list[str]) -> str:
    """The last word of a text, as far as it has come, from its last tokens; empty where it holds a quote."""
    words = "".join(pieces).split()
    return "" if not words or any(mark in words[-1] for mark in '"\ufffd') else words[-1]


def training_examples(recipe: Recipe, folders: Folders, count: int, seed: int) -> Examples:
    """Examples of training documents, from recorded firings, in a seeded order."""
    layer = recipe.sae.layer
    firings = Firings.load(firings_folder(folders, layer))
    labels = LabelTexts.load(folders.labels(layer), recipe.sae.latents)
    scale = LatentScale.load(latents_folder(folders, layer))
    tokenizer = load_tokenizer(folders.subject)
    draw = np.random.default_rng([seed, 11])
    rows, positions = places_of(firings.passages.mask(), count, draw)
    best = top_by_z(
        np.asarray(firings.latents[rows, positions]),
        np.asarray(firings.activations[rows, positions], dtype=np.float32),
        scale,
        DrawSettings(recipe.mapper.most_rate, 2 * MOST_LABELS),
    )
    ends = [
        firings.passages.tokens[row, max(1, at - _PIECES) : at + 1] for row, at in zip(rows, positions, strict=True)
    ]
    texts = list(_texts(best, [list(map(int, ids)) for ids in ends], labels, tokenizer, draw))
    kept = [place for place, text in enumerate(texts) if text]
    order = draw.permutation(kept)
    residuals = np.asarray(firings.residuals[rows[order], positions[order]])
    return Examples(residuals, [texts[place] for place in order])


def places_of(
    mask: NDArray[np.bool_], count: int, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """About `count` positions of text, a few of each of as many rows as that takes, in order of row."""
    chosen = np.sort(draw.permutation(len(mask))[: max(1, count // _PLACES_OF_A_ROW)])
    rows, positions = [], []
    for row in chosen.tolist():
        held = np.flatnonzero(mask[row])
        some = np.sort(draw.permutation(held)[:_PLACES_OF_A_ROW])
        rows += [row] * len(some)
        positions += some.tolist()
    return np.array(rows, dtype=np.int64), np.array(positions, dtype=np.int64)


def tune_examples(recipe: Recipe, folders: Folders, count: int, seed: int) -> Examples:
    """Examples of the tune documents, made the same way."""
    places = heldout_places(recipe, folders, "tune")
    labels = LabelTexts.load(folders.labels(recipe.sae.layer), recipe.sae.latents)
    scale = LatentScale.load(latents_folder(folders, recipe.sae.layer))
    draw = np.random.default_rng([seed, 12])
    some = np.sort(draw.permutation(len(places.residuals))[:count])
    settings = DrawSettings(recipe.mapper.most_rate, 2 * MOST_LABELS)
    best = top_by_z(places.latents[some], places.activations[some], scale, settings)
    rows, at = places.documents[some], places.positions[some]
    ends = [list(map(int, places.tokens[row, max(1, p - _PIECES) : p + 1])) for row, p in zip(rows, at, strict=True)]
    texts = list(_texts(best, ends, labels, load_tokenizer(folders.subject), draw))
    kept = np.array([place for place, text in enumerate(texts) if text], dtype=np.int64)
    return Examples(places.residuals[some[kept]].half().numpy(), [texts[place] for place in kept])


def _texts(
    best: NDArray[np.int32], ends: list[list[int]], labels: LabelTexts, tokenizer: object, draw: np.random.Generator
) -> Iterator[str]:
    """The text of each place; empty where none of its latents has a label that may be used."""
    allowed = labels.latents(heldout=False)
    for latents, ids in zip(best, ends, strict=True):
        usable = [labels.texts[labels.of_latent[latent]] for latent in latents if latent >= 0 and allowed[latent]]
        names = list(dict.fromkeys(usable))
        pieces = [tokenizer.decode([token]) for token in ids]  # type: ignore[attr-defined]
        yield say(names, quoted_word(pieces), draw) if names else ""


def batches(examples: Examples, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Places of batches of texts of about one length, for ever; an epoch's order is seeded."""
    draw = np.random.default_rng([seed, 13])
    lengths = np.array([len(text) for text in examples.texts])
    while True:
        order = draw.permutation(len(examples))
        for start in range(0, len(order), 16 * size):
            chunk = order[start : start + 16 * size]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            parts = [chunk[at : at + size] for at in range(0, len(chunk), size)]
            yield from (parts[i] for i in draw.permutation(len(parts)))
