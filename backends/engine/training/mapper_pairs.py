"""Pairs for the mapper: an activation of a training document and the label of a latent that is active there."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from backends.engine.training.draws import DrawSettings, LatentScale, draw_one, top_by_z
from backends.engine.training.firings import Firings, firings_folder
from backends.engine.training.folders import Folders, read_lines, write_atomically
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.recipe import Recipe
from backends.engine.training.rows import encode
from backends.engine.training.statistics import latents_folder
from backends.engine.training.tokenizer import load_tokenizer

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Pairs:
    """`residuals` float16 [pairs, width], the drawn `latents`, the place of their `labels`, and the `documents`.

    `tokens` [rows, longest] are the texts (`<|bos|>` first), shared by all pairs; pair i stands in row `rows[i]` at
    position `positions[i]`.
    """

    residuals: NDArray[np.float16]
    latents: NDArray[np.int32]
    labels: NDArray[np.int32]
    documents: NDArray[np.int32]
    rows: NDArray[np.int32]
    positions: NDArray[np.int32]
    tokens: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.labels)

    def save(self, path: Path) -> None:
        """Write one npz file."""
        with path.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def load(cls, path: Path) -> "Pairs":
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(*(stored[name] for name in _ARRAYS))

    def some(self, places: NDArray[np.int64]) -> "Pairs":
        """The pairs at these places."""
        return replace(self, **{name: getattr(self, name)[places] for name in _ARRAYS if name != "tokens"})

    def elsewhere(self) -> "Pairs":
        """The same labels with the activations and texts of other places: pairs half the list away."""
        other = self.some(np.roll(np.arange(len(self)), len(self) // 2))
        return replace(other, latents=self.latents, labels=self.labels)


_ARRAYS = tuple(field.name for field in fields(Pairs))


def training_pairs(recipe: Recipe, folders: Folders, labels: LabelTexts) -> Pairs:
    """Pairs of training documents with labels of the training strings, drawn once and kept in work/."""
    path = folders.work / f"pairs-L{recipe.sae.layer}.npz"
    if path.exists():
        return Pairs.load(path)
    firings = Firings.load(firings_folder(folders, recipe.sae.layer))
    scale = LatentScale.load(latents_folder(folders, recipe.sae.layer))
    pairs = _draw(firings, scale, labels, recipe)
    write_atomically(path, pairs.save)
    return pairs


def _draw(firings: Firings, scale: LatentScale, labels: LabelTexts, recipe: Recipe) -> Pairs:
    mask, allowed, settings = firings.passages.mask(), labels.latents(heldout=False), recipe.mapper
    rows, positions, drawn = [], [], []
    for start in range(0, len(mask), _ROWS_AT_ONCE):
        here, at = np.nonzero(mask[start : start + _ROWS_AT_ONCE])
        here = here + start
        values = np.asarray(firings.activations[here, at], dtype=np.float32)
        best = top_by_z(
            np.asarray(firings.latents[here, at]), values, scale, DrawSettings(settings.most_rate, settings.top)
        )
        one = draw_one(best, allowed, settings.seed + start)
        rows.append(here[one >= 0])
        positions.append(at[one >= 0])
        drawn.append(one[one >= 0])
    row, position, latent = np.concatenate(rows), np.concatenate(positions), np.concatenate(drawn)
    chosen = np.random.default_rng(settings.seed).permutation(len(latent))[: settings.pairs]
    # In order of place, so that the mapped residuals are read front to back.
    chosen = np.sort(chosen)
    row, position, latent = row[chosen], position[chosen], latent[chosen]
    residuals = np.asarray(firings.residuals[row, position])
    places = (firings.passages.documents[row], row.astype(np.int32), position.astype(np.int32))
    return Pairs(residuals, latent, labels.of_latent[latent], *places, firings.passages.tokens)


@dataclass(frozen=True)
class HeldoutPlaces:
    """All text positions of held-out documents: residuals, active latents, and which document each is of."""

    residuals: torch.Tensor
    latents: NDArray[np.uint16]
    activations: NDArray[np.float32]
    documents: NDArray[np.int32]
    best: NDArray[np.int32]
    """The latents of appendix A, [places, top]."""
    positions: NDArray[np.int32]
    """Each place's position in its document; `<|bos|>` is at 0."""
    tokens: NDArray[np.uint16]
    """Token ids of the documents, `<|bos|>` first, [documents, longest], `<|pad|>` after the end."""


def heldout_places(
    recipe: Recipe, folders: Folders, split: str, *, device: str = "cpu", dtype: str = "float32"
) -> HeldoutPlaces:
    """Run the subject and the SAE over the held-out documents of a split; special tokens are left out."""
    layer = recipe.sae.layer
    subject = TrainedSubject.load(folders.subject, device=device, dtype=dtype, layers=layer + 1)
    sae = FrozenSae.load(folders.sae(layer), device=device, dtype=dtype)
    tokenizer = load_tokenizer(folders.subject)
    texts = [row["text"] for row in read_lines(folders.heldout(split))]
    limit = int(subject.model.config.max_position_embeddings) - 1
    rows = [torch.tensor([tokenizer.bos_token_id, *ids[:limit]]) for ids in encode(tokenizer, texts)]
    residuals = torch.cat([subject.residuals(row[None].to(device))[-1][0, 1:] for row in rows])
    tokens = pad_sequence(rows, batch_first=True, padding_value=int(tokenizer.pad_token_id)).numpy().astype(np.uint16)
    documents = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) - 1 for row in rows])
    positions = np.concatenate([np.arange(1, len(row), dtype=np.int32) for row in rows])
    which, values = (part.cpu().numpy() for part in sae.strongest(residuals))
    scale = LatentScale.load(latents_folder(folders, layer))
    best = top_by_z(which, values, scale, DrawSettings(recipe.mapper.most_rate, recipe.mapper.top))
    return HeldoutPlaces(residuals.cpu(), which.astype(np.uint16), values, documents, best, positions, tokens)


def heldout_pairs(
    places: HeldoutPlaces, labels: LabelTexts, *, unseen: bool, count: int, seed: int
) -> tuple[Pairs, NDArray[np.int64]]:
    """At most `count` pairs in document order, drawn as for training, and the place of each.

    Their labels are of the held-out strings (`unseen`) or of the others.
    """
    drawn = draw_one(places.best, labels.latents(heldout=unseen), seed)
    usable = np.flatnonzero(drawn >= 0)
    usable = np.sort(np.random.default_rng(seed).permutation(usable)[:count])
    latents = drawn[usable]
    residuals = places.residuals[usable].half().numpy()
    documents = places.documents[usable]
    text = (documents, documents, places.positions[usable], places.tokens)
    return Pairs(residuals, latents, labels.of_latent[latents], *text), usable
