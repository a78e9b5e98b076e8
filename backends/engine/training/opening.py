"""From a recipe file and an output folder to the recipe and folders of one of its subjects."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backends.engine.training.folders import Folders
from backends.engine.training.recipe import DEFAULT_RECIPE, Recipe, RecipeError, load_recipe
from investigator.errors import BadInput


@dataclass(frozen=True)
class Opened:
    """One subject's recipe and folders, at its main layer."""

    recipe: Recipe
    folders: Folders


def open_folder(root: Path) -> list[Opened]:
    """The subjects of a trained folder, the first first; each keeps the recipe that made it."""
    return _opened(root / "recipe.toml", root)


def open_for_training(file: Path | None, out: Path) -> list[Opened]:
    """The same of a recipe file, whose recipes are copied into the output folder; raises RecipeError."""
    file = file or DEFAULT_RECIPE
    opened = _opened(file, out)
    sources = [file, *(_recipe_of(file, name) for name in opened[0].recipe.subjects)]
    for one, source in zip(opened, sources, strict=True):
        one.folders.root.mkdir(parents=True, exist_ok=True)
        if source.resolve() != one.folders.recipe.resolve():
            shutil.copyfile(source, one.folders.recipe)
    return opened


def _opened(file: Path, root: Path) -> list[Opened]:
    first = load_recipe(file)
    return [Opened(first, Folders(root)), *(_further(file, first, root, name) for name in first.subjects)]


def _recipe_of(file: Path, name: str) -> Path:
    return file.parent / name / file.name


def _further(file: Path, first: Recipe, root: Path, name: str) -> Opened:
    """A further subject reads the first one's documents, so its recipe says nothing of a corpus."""
    recipe = load_recipe(_recipe_of(file, name))
    if recipe.subjects or recipe.corpus.megabytes:
        raise RecipeError(
            f"The recipe {_recipe_of(file, name)} of a further subject names subjects or a corpus of its own.",
            "Take `subjects` and [corpus] out of it: it is trained on the first subject's documents.",
        )
    return Opened(msgspec.structs.replace(recipe, corpus=first.corpus), Folders(root / name, shared=root))


def choose(opened: list[Opened], subject: str) -> list[Opened]:
    """The subjects that a name means: a folder's or a recipe's name, all where it is empty; raises BadInput."""
    if not subject:
        return opened
    found = [one for one in opened if subject in (one.recipe.name, one.folders.root.name)]
    if not found:
        known = ", ".join(one.recipe.name for one in opened)
        raise BadInput(f"The recipe has no subject {subject!r}.", f"It has: {known}.")
    return found[:1]
