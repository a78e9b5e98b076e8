"""A linear map between two residual streams, as files: `map.safetensors` with its card `map.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from investigator.errors import WorkbenchError

WEIGHTS = "map.safetensors"
CARD = "map.json"
Kind = Literal["ridge", "procrustes"]
_AGAIN = "Copy the folder again, or fit it anew with `investigator train map`."


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a map: a subject's residual stream at the output of one block."""

    subject: str
    """Name in the workbench that the map was fitted with."""
    layer: int
    width: int
    fingerprint: str
    """Of the subject's files."""
    revision: str = ""


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What a map is worth on held-out sentences, beside what knows nothing of them."""

    cosine: float
    """Mean cosine of mapped and true vectors."""
    mean_cosine: float
    """The same of the mean predictor: the training sentences' mean, whatever the sentence."""
    centred_cosine: float
    """Mean cosine of both after the training mean is taken off, which the mean predictor cannot have."""
    variance: float
    """Share of the variance about the mean predictor that is explained; below 0: worse than the mean."""
    permuted: float
    """The same share for a map fitted on shuffled pairs."""
    permuted_cosine: float
    """Mean centred cosine of the map that was fitted on shuffled pairs."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """One penalty of a sweep."""

    penalty: float
    cosine: float
    centred_cosine: float
    variance: float


class Background(msgspec.Struct, frozen=True, kw_only=True):
    """Which sentences the background of washout was made of."""

    sentences: int
    digest: str
    norm: float
    """Of the mean of unit vectors: 1 where all point one way."""


class MapCard(msgspec.Struct, frozen=True, kw_only=True):
    """What `map.json` says: between which places a map leads, what it was fitted on, and what it is worth."""

    kind: Kind
    source: End
    target: End
    penalty: float | None
    """Lambda of the ridge; None for Procrustes."""
    sentences: int
    """Sentences it was fitted on."""
    heldout: int
    """Sentences it was measured on."""
    digest: str
    """Fingerprint of all sentences, in order."""
    seed: int
    """Of the split and of the shuffled pairs."""
    underdetermined: bool
    """Whether it was fitted on fewer sentences than the source has dimensions."""
    worth: Worth
    sweep: tuple[Swept, ...] = ()
    background: Background | None = None
    libraries: dict[str, str] = {}


@dataclass(frozen=True)
class LinearMap:
    """A fitted map y = W (x - source_mean) + target_mean, float32."""

    card: MapCard
    matrix: Tensor
    """W, `[target width, source width]`."""
    permuted: Tensor
    """The same fitted on shuffled pairs, a control."""
    source_mean: Tensor
    target_mean: Tensor
    background: Tensor | None = None
    """`[target width]`: mean of unit last-token activations over many sentences; None where none was measured."""

    def apply(self, vectors: Tensor) -> Tensor:
        """Map activations `[.., source width]` to `[.., target width]`."""
        return self.linear(vectors - self.source_mean) + self.target_mean

    def linear(self, directions: Tensor) -> Tensor:
        """Map directions: the linear part alone, without intercept."""
        return directions @ self.matrix.T

    def save(self, folder: Path) -> None:
        """Write weights and card into the folder, the card last, so that a folder with a card is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            "matrix": self.matrix,
            "permuted": self.permuted,
            "source_mean": self.source_mean,
            "target_mean": self.target_mean,
        } | ({} if self.background is None else {"background": self.background})
        save_file({name: value.float().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
        (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(self.card), indent=1) + b"\n")


def read_card(folder: Path) -> MapCard:
    """Read `map.json`; raise WorkbenchError where it is missing or malformed."""
    try:
        return msgspec.json.decode((folder / CARD).read_bytes(), type=MapCard)
    except (OSError, msgspec.DecodeError) as error:
        raise WorkbenchError(f"The map's card {folder / CARD} cannot be read: {error}.", _AGAIN) from error


def load(folder: Path) -> LinearMap:
    """Read a map from its folder; raise WorkbenchError where a file is missing, truncated or does not fit its card."""
    card = read_card(folder)
    try:
        found = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(f"The map {folder / WEIGHTS} cannot be read: {error}.", _AGAIN) from error
    shape = (card.target.width, card.source.width)
    for name, wanted in (
        ("matrix", shape),
        ("permuted", shape),
        ("source_mean", shape[1:]),
        ("target_mean", shape[:1]),
    ):
        if name not in found or tuple(found[name].shape) != wanted:
            has = "x".join(map(str, found[name].shape)) if name in found else "none"
            raise WorkbenchError(
                f"The map in {folder} needs {name} of shape {'x'.join(map(str, wanted))}, but has {has}.", _AGAIN
            )
    background = found.get("background")
    if background is not None and tuple(background.shape) != shape[:1]:
        raise WorkbenchError(f"The background of the map in {folder} is not {shape[0]} wide.", _AGAIN)
    return LinearMap(card, found["matrix"], found["permuted"], found["source_mean"], found["target_mean"], background)
