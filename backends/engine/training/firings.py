"""Firings: which latents fire where on the passages, with the residuals that made them, kept on disk for later stages.

The forward passes of the statistics, label and mapper stages are all done here, once. Folder `work/firings/`:
`passages.npz`; `residuals.npy` float16 [rows, context, width]; `latents.npy` uint16 and `activations.npy` float16
[rows, context, k], the k strongest latents of a position, activation 0 where fewer fire.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.folders import Folders, write_json
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.parts import TrainedSubject, batches_of_rows
from backends.engine.training.passages import Passages, cut_passages
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.splits import read_train
from backends.engine.training.tokenizer import load_tokenizer

_FLOAT16_LIMIT = 65000.0


@dataclass(frozen=True)
class Firings:
    """What `run_firings` left on disk, mapped into memory."""

    passages: Passages
    residuals: NDArray[np.float16]
    latents: NDArray[np.uint16]
    activations: NDArray[np.float16]

    @classmethod
    def load(cls, folder: Path) -> "Firings":
        """Open the folder; arrays are mapped, not read."""
        names = ("residuals", "latents", "activations")
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
        return cls(Passages.load(folder / "passages.npz"), *arrays)


@dataclass(frozen=True)
class LatentFirings:
    """All firings of all latents in order of latent: latent j owns the slice `starts[j]:starts[j + 1]`."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    positions: NDArray[np.int32]
    activations: NDArray[np.float32]

    def of(self, latent: int) -> slice:
        """The latent's slice of the arrays."""
        return slice(int(self.starts[latent]), int(self.starts[latent + 1]))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of firings of each latent."""
        return np.diff(self.starts)


def by_latent(firings: Firings, latents: int) -> LatentFirings:
    """Sort the firings by latent; special tokens and padding do not count."""
    fired = (np.asarray(firings.activations) > 0) & firings.passages.mask()[:, :, None]
    rows, positions, ranks = np.nonzero(fired)
    which = np.asarray(firings.latents)[rows, positions, ranks]
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(latents + 1))
    values = np.asarray(firings.activations)[rows, positions, ranks][order].astype(np.float32)
    return LatentFirings(
        starts.astype(np.int64), rows[order].astype(np.int32), positions[order].astype(np.int32), values
    )


def firings_folder(folders: Folders, layer: int) -> Path:
    """Where the firings of a layer are kept."""
    return folders.work / f"firings-L{layer}"


def _open_arrays(folder: Path, rows: int, context: int, width: int, k: int) -> Iterator[np.memmap]:
    shapes = {"residuals": ("f2", width), "latents": ("u2", k), "activations": ("f2", k)}
    for name, (dtype, last) in shapes.items():
        path = folder / f"{name}.npy"
        yield np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, context, last))


def run_firings(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Cut passages from training documents and record residuals and firings of the recipe's layer, once."""
    settings, layer = recipe.statistics, recipe.sae.layer
    folder = firings_folder(folders, layer)
    if (folder / "done.json").exists():
        yield Progress(1, 1, "firings were recorded before")
        return
    yield Progress(0, 1, "cutting passages of training documents")
    folder.mkdir(parents=True, exist_ok=True)
    passages = cut_passages(
        read_train(folders),
        load_tokenizer(folders.subject),
        context=recipe.language_model.context,
        tokens=settings.tokens,
        most=settings.windows_a_document,
        seed=settings.seed,
    )
    passages.save(folder / "passages.npz")
    subject = TrainedSubject.load(folders.subject, device=device, dtype=dtype, layers=layer + 1)
    sae = FrozenSae.load(folders.sae(layer), device=device, dtype=dtype)
    yield from _record(passages, subject, sae, folder)
    write_json(folder / "done.json", {"tokens": int(passages.mask().sum()), "rows": len(passages.tokens)})


def _record(passages: Passages, subject: TrainedSubject, sae: FrozenSae, folder: Path) -> Stage:
    rows, context = passages.tokens.shape
    residuals, latents, activations = _open_arrays(folder, rows, context, subject.width, sae.k)
    for start, stop, ids in batches_of_rows(passages, subject.device):
        hidden = subject.residuals(ids)[-1]
        which, values = sae.strongest(hidden.flatten(0, 1))
        size = ids.shape[1]
        kept = hidden.clamp(-_FLOAT16_LIMIT, _FLOAT16_LIMIT).half().cpu().numpy()
        residuals[start:stop, :size] = kept
        latents[start:stop, :size] = which.view(*ids.shape, sae.k).cpu().numpy().astype(np.uint16)
        activations[start:stop, :size] = values.view(*ids.shape, sae.k).half().cpu().numpy()
        yield Progress(stop, rows, "recording firings")
    for array in (residuals, latents, activations):
        array.flush()
