"""What sheets are made of: firings by latent, the words of the passages, and where each token stands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backends.engine.training.draws import DrawSettings, LatentScale, top_by_z
from backends.engine.training.firings import Firings, LatentFirings, by_latent, firings_folder
from backends.engine.training.folders import Folders
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.labels.words import Fields, read_fields
from backends.engine.training.recipe import Recipe
from backends.engine.training.statistics import latents_folder
from backends.engine.training.tokenizer import load_tokenizer
from investigator.errors import BadInput

SHOWN, UNSHOWN = 0, 1
"""Documents of even number are shown to the reader, those of odd number check what was written."""
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Places:
    """Some places of the passages: `rows` and `positions`, both [places]."""

    rows: NDArray[np.int32]
    positions: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, chosen: NDArray[np.int64]) -> "Places":
        """The places at these indices."""
        return Places(self.rows[chosen], self.positions[chosen])


@dataclass(frozen=True)
class TokenPlaces:
    """Every place of text in order of token: token t stands at the slice `starts[t]:starts[t + 1]`."""

    places: Places
    starts: NDArray[np.int64]

    def of(self, token: int) -> Places:
        """All places of one token."""
        part = slice(int(self.starts[token]), int(self.starts[token + 1]))
        return Places(self.places.rows[part], self.places.positions[part])


@dataclass(frozen=True)
class Material:
    """Everything that a sheet or a check looks up about one layer's autoencoder."""

    recipe: Recipe
    folders: Folders
    firings: Firings
    latents: LatentFirings
    fields: Fields
    tokenizer: PreTrainedTokenizerFast
    sae: FrozenSae
    scale: LatentScale
    tokens: TokenPlaces

    @property
    def seed(self) -> int:
        """The seed of every draw."""
        return self.recipe.labels.seed

    def half(self, places: Places) -> NDArray[np.bool_]:
        """Which places stand in documents that are not shown."""
        found: NDArray[np.bool_] = self.firings.passages.documents[places.rows] % 2 == UNSHOWN
        return found

    def fires(self, latent: int, places: Places) -> NDArray[np.bool_]:
        """Whether a latent is active at each place."""
        which = np.asarray(self.firings.latents[places.rows, places.positions]) == latent
        active = np.asarray(self.firings.activations[places.rows, places.positions]) > 0
        found: NDArray[np.bool_] = (which & active).any(1)
        return found

    def word(self, row: int, position: int) -> str:
        """The whole word at a place; empty where there is none."""
        number = int(self.fields.word[row, position])
        return self.fields.words.texts[number] if number >= 0 else ""


def load_material(recipe: Recipe, folders: Folders, layer: int) -> Material:
    """Open the firings of a layer; raises BadInput where they are not recorded (or were deleted)."""
    folder = firings_folder(folders, layer)
    if not (folder / "done.json").exists():
        raise BadInput(f"There are no firings in {folder}.", "Run `investigator train statistics` with this --out.")
    firings = Firings.load(folder)
    sae = FrozenSae.load(folders.sae(layer), device="cpu", dtype="float32")
    tokenizer = load_tokenizer(folders.subject)
    return Material(
        recipe,
        folders,
        firings,
        by_latent(firings, sae.latents),
        read_fields(firings.passages, tokenizer),
        tokenizer,
        sae,
        LatentScale.load(latents_folder(folders, layer)),
        token_places(firings, len(tokenizer)),
    )


def token_places(firings: Firings, vocabulary: int) -> TokenPlaces:
    """Sort all places of text by their token."""
    rows, positions = np.nonzero(firings.passages.mask())
    tokens = firings.passages.tokens[rows, positions]
    order = np.argsort(tokens, kind="stable")
    starts = np.searchsorted(tokens[order], np.arange(vocabulary + 1))
    return TokenPlaces(Places(rows[order].astype(np.int32), positions[order].astype(np.int32)), starts.astype(np.int64))


def draw_counts(material: Material) -> NDArray[np.int64]:
    """How often each latent is among those that may speak for a place (L2EL, appendix A), [latents]."""
    mask, mapper = material.firings.passages.mask(), material.recipe.mapper
    settings = DrawSettings(mapper.most_rate, mapper.top)
    counts = np.zeros(len(material.latents.counts), dtype=np.int64)
    for start in range(0, len(mask), _ROWS_AT_ONCE):
        rows, positions = np.nonzero(mask[start : start + _ROWS_AT_ONCE])
        rows = rows + start
        values = np.asarray(material.firings.activations[rows, positions], dtype=np.float32)
        best = top_by_z(np.asarray(material.firings.latents[rows, positions]), values, material.scale, settings)
        counts += np.bincount(best[best >= 0], minlength=len(counts))
    return counts
