"""The stages of training by name, each a generator of progress that resumes by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from backends.engine.dtypes import fastest_matmul_dtype
from backends.engine.training.folders import Folders
from backends.engine.training.labels.stage import run_labels
from backends.engine.training.language_model import run_language_model
from backends.engine.training.pocket import run_after_language_model, run_readers
from backends.engine.training.progress import Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.rows import run_rows
from backends.engine.training.sae import run_sae
from backends.engine.training.splits import run_splits
from backends.engine.training.statistics import run_statistics
from backends.engine.training.tokenizer import run_tokenizer


@dataclass(frozen=True)
class Arguments:
    """What every stage may need; `dtype` is "auto", "float32" or "bfloat16"."""

    recipe: Recipe
    folders: Folders
    corpus: Path
    device: str = "cpu"
    dtype: str = "auto"

    @property
    def matmul_dtype(self) -> str:
        """The type of matrix products: as asked, or on "auto" the faster one on this machine."""
        if self.dtype != "auto":
            return self.dtype
        fastest = torch.bfloat16 if self.device.startswith("cuda") else fastest_matmul_dtype().fastest
        return str(fastest).removeprefix("torch.")


def language_model(given: Arguments) -> Stage:
    """Splits, tokenizer, rows and the language model, each only if it is not there yet."""
    yield from run_splits(given.recipe, given.folders, corpus=given.corpus)
    yield from run_tokenizer(given.recipe, given.folders)
    yield from run_rows(given.recipe, given.folders, corpus=given.corpus)
    yield from run_language_model(given.recipe, given.folders, device=given.device, dtype=given.matmul_dtype)


def sae(given: Arguments) -> Stage:
    """The autoencoder of the recipe's layer."""
    yield from run_sae(given.recipe, given.folders, device=given.device, dtype=given.matmul_dtype)


def statistics(given: Arguments) -> Stage:
    """Firings, layer statistics and latent statistics."""
    yield from run_statistics(given.recipe, given.folders, device=given.device, dtype=given.matmul_dtype)


def labels(given: Arguments) -> Stage:
    """Labels by rule."""
    yield from run_labels(given.recipe, given.folders, corpus=given.corpus)


def mapper(given: Arguments) -> Stage:
    """The readers and their label means."""
    yield from run_readers(given.recipe, given.folders, device=given.device, dtype=given.matmul_dtype)


def pocket(given: Arguments) -> Stage:
    """The whole chain; `investigator train pocket` then copies what ships with `run_assemble`."""
    yield from language_model(given)
    yield from run_after_language_model(
        given.recipe, given.folders, corpus=given.corpus, device=given.device, dtype=given.matmul_dtype
    )


STAGES: dict[str, Callable[[Arguments], Stage]] = {
    "language-model": language_model,
    "sae": sae,
    "statistics": statistics,
    "labels": labels,
    "mapper": mapper,
    "pocket": pocket,
}
