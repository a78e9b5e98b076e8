"""The stages of training by name, each a generator of progress that resumes by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from backends.engine.dtypes import fastest_matmul_dtype
from backends.engine.training.best_of import run_best_of
from backends.engine.training.embedder import run_embedder
from backends.engine.training.folders import Folders
from backends.engine.training.labels.stage import run_labels
from backends.engine.training.language_model import run_language_model
from backends.engine.training.naming import name_parts
from backends.engine.training.opening import Opened, choose, open_for_training
from backends.engine.training.pocket import run_after_language_model, run_readers
from backends.engine.training.progress import Stage
from backends.engine.training.reading.merge import run_read_labels
from backends.engine.training.reading.sheets import run_label_sheets
from backends.engine.training.recipe import Recipe
from backends.engine.training.reconstructor import run_reconstructor
from backends.engine.training.rows import run_rows
from backends.engine.training.sae import run_sae
from backends.engine.training.splits import run_splits
from backends.engine.training.statistics import run_statistics
from backends.engine.training.tokenizer import run_tokenizer
from backends.engine.training.verbalizer import run_verbalizer


@dataclass(frozen=True)
class Arguments:
    """What every stage may need; `dtype` is "auto", "float32" or "bfloat16"."""

    opened: list[Opened]
    corpus: Path
    device: str = "cpu"
    dtype: str = "auto"
    layer: int | None = None
    """The one layer that is meant; all of the recipe's where none is."""
    files: tuple[Path, ...] = ()
    """What `read-labels` reads."""
    sheets: Path | None = None
    """Where `label-sheets` writes,"""
    first: int = 0
    """from which latent on,"""
    count: int = 2250
    """and how many."""
    reader: str = field(default="")
    """Who wrote the labels that are read."""

    @property
    def matmul_dtype(self) -> str:
        """The type of matrix products: as asked, or on "auto" the faster one on this machine."""
        if self.dtype != "auto":
            return self.dtype
        fastest = torch.bfloat16 if self.device.startswith("cuda") else fastest_matmul_dtype().fastest
        return str(fastest).removeprefix("torch.")

    @property
    def first_subject(self) -> Opened:
        """The first of the chosen subjects."""
        return self.opened[0]

    def parts(self) -> Iterator[tuple[Recipe, Folders]]:
        """Recipe and folders of every layer that is meant, of every subject that is, main layers first."""
        for one in self.opened:
            layers = one.recipe.layers if self.layer is None else (self.layer,)
            for layer in layers:
                yield one.recipe.at(layer), one.folders.at(layer, one.recipe.sae.layer)


def prepare(file: Path | None, out: Path, subject: str, corpus: Path, **more: object) -> Arguments:
    """Open a recipe for training into `out`; raises RecipeError, and BadInput for an unknown subject."""
    return Arguments(choose(open_for_training(file, out), subject), corpus, **more)  # type: ignore[arg-type]


def language_model(given: Arguments) -> Stage:
    """Splits, tokenizer, rows and the language model, each only if it is not there yet."""
    for one in given.opened:
        yield from run_splits(one.recipe, one.folders, corpus=given.corpus)
        yield from run_tokenizer(one.recipe, one.folders)
        yield from run_rows(one.recipe, one.folders, corpus=given.corpus)
        yield from run_language_model(one.recipe, one.folders, device=given.device, dtype=given.matmul_dtype)


def sae(given: Arguments) -> Stage:
    """The autoencoders."""
    for recipe, folders in given.parts():
        yield from run_sae(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def statistics(given: Arguments) -> Stage:
    """Firings, layer statistics and latent statistics."""
    for recipe, folders in given.parts():
        yield from run_statistics(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def labels(given: Arguments) -> Stage:
    """Labels by rule."""
    for recipe, folders in given.parts():
        yield from run_labels(recipe, folders, corpus=given.corpus)


def label_sheets(given: Arguments) -> Stage:
    """Sheets for a person who reads what latents fire on and labels them."""
    recipe, folders = next(given.parts())
    target = given.sheets or folders.root / "sheets"
    yield from run_label_sheets(recipe, folders, target, first=given.first, count=given.count)


def read_labels(given: Arguments) -> Stage:
    """The labels that came back from such a person, checked and put in place of the rules'."""
    recipe, folders = next(given.parts())
    yield from run_read_labels(recipe, folders, given.files, reader=given.reader, corpus=given.corpus)


def mapper(given: Arguments) -> Stage:
    """The readers and their label means."""
    for recipe, folders in given.parts():
        yield from run_readers(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def verbalizer(given: Arguments) -> Stage:
    """A verbalizer of each subject's main layer, or of the one that is meant."""
    for recipe, folders in _main(given):
        yield from run_verbalizer(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def reconstructor(given: Arguments) -> Stage:
    """The reconstructor beside it."""
    for recipe, folders in _main(given):
        yield from run_reconstructor(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def best_of(given: Arguments) -> Stage:
    """A round of the verbalizer on the best of its own texts."""
    for recipe, folders in _main(given):
        yield from run_best_of(recipe, folders, device=given.device, dtype=given.matmul_dtype)


def _main(given: Arguments) -> Iterator[tuple[Recipe, Folders]]:
    for one in given.opened:
        layer = one.recipe.sae.layer if given.layer is None else given.layer
        yield one.recipe.at(layer), one.folders.at(layer, one.recipe.sae.layer)


def embedder(given: Arguments) -> Stage:
    """The small sentence embedder."""
    one = given.first_subject
    yield from run_embedder(one.recipe, one.folders, corpus=given.corpus)


def pocket(given: Arguments) -> Stage:
    """The whole chain, and the workbench file that opens it; `run_assemble` then copies what ships."""
    yield from language_model(given)
    for recipe, folders in given.parts():
        yield from run_after_language_model(
            recipe, folders, corpus=given.corpus, device=given.device, dtype=given.matmul_dtype
        )
    yield from verbalizer(given)
    yield from reconstructor(given)
    yield from best_of(given)
    yield from embedder(given)
    name_parts(given.opened)


STAGES: dict[str, Callable[[Arguments], Stage]] = {
    "language-model": language_model,
    "sae": sae,
    "statistics": statistics,
    "labels": labels,
    "label-sheets": label_sheets,
    "read-labels": read_labels,
    "mapper": mapper,
    "verbalizer": verbalizer,
    "reconstructor": reconstructor,
    "best-of": best_of,
    "embedder": embedder,
    "pocket": pocket,
}
