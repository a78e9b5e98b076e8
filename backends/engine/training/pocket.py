"""`train pocket`: the whole chain, and the copy of what ships."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.blind import run_blind
from backends.engine.training.folders import Folders
from backends.engine.training.label_means import run_label_means
from backends.engine.training.labels.stage import run_labels
from backends.engine.training.mapper import run_mapper
from backends.engine.training.opening import Opened, open_folder
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.prompt_only import NAME as PROMPT_ONLY
from backends.engine.training.prompt_only import run_prompt_only
from backends.engine.training.recipe import Recipe
from backends.engine.training.sae import run_sae
from backends.engine.training.statistics import latents_folder, run_statistics
from investigator.errors import WorkbenchError

MOST_BYTES = 90_000_000
SHIPPED = ("subject", "saes", "labels", "statistics", "readers", "figures")
OF_THE_FIRST = ("heldout", "embedder")
"""What the first subject's folder has for all."""
MAPS = "maps"
"""Beside them, where `train map` put any."""
DEFAULT, PAPER = "l2el", "l2el-paper"


def run_readers(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the default reader, the blind and the prompt-only one and the paper's form, then measure label means.

    A reader that the recipe gives no steps is left out.
    """
    yield from run_mapper(recipe, folders, recipe.mapper.form, DEFAULT, device=device, dtype=dtype)
    yield from run_label_means(recipe, folders, DEFAULT, device=device)
    if recipe.mapper.blind_steps:
        yield from run_blind(recipe, folders, device=device, dtype=dtype)
    if recipe.mapper.prompt_only_steps:
        yield from run_prompt_only(recipe, folders, device=device, dtype=dtype)
    if recipe.mapper.paper_steps:
        yield from run_mapper(recipe, folders, "paper", PAPER, device=device, dtype=dtype)
        yield from run_label_means(recipe, folders, PAPER, device=device)


def run_after_language_model(
    recipe: Recipe, folders: Folders, *, corpus: Path, device: str = "cpu", dtype: str = "float32"
) -> Stage:
    """All stages after the language model, each only where it was not done before."""
    yield from run_sae(recipe, folders, device=device, dtype=dtype)
    yield from run_statistics(recipe, folders, device=device, dtype=dtype)
    yield from run_labels(recipe, folders, corpus=corpus)
    yield from run_readers(recipe, folders, device=device, dtype=dtype)


def shipped_files(opened: list[Opened]) -> Iterator[Path]:
    """Files of an output folder that ship, relative to it; caches and checkpoints stay behind."""
    root = opened[0].folders.root
    for one in opened:
        for name in (*SHIPPED, *(() if one.folders.shared else (*OF_THE_FIRST, MAPS))):
            found = sorted((one.folders.root / name).rglob("*"))
            yield from (path.relative_to(root) for path in found if path.is_file())
        yield one.folders.recipe.relative_to(root)


def missing_parts(one: Opened) -> Iterator[Path]:
    """Parts that a subject's recipe asks for and that are not there yet."""
    wanted = [one.folders.root / name for name in SHIPPED]
    wanted += [] if one.folders.shared else [one.folders.root / name for name in OF_THE_FIRST]
    for layer in one.recipe.layers:
        recipe, folders = one.recipe.at(layer), one.folders.at(layer, one.recipe.sae.layer)
        readers = [(DEFAULT, recipe.mapper.steps), (BLIND, recipe.mapper.blind_steps)]
        readers += [(PROMPT_ONLY, recipe.mapper.prompt_only_steps), (PAPER, recipe.mapper.paper_steps)]
        wanted += [folders.sae(layer), folders.labels(layer), latents_folder(folders, layer)]
        wanted += [folders.reader(name) for name, steps in readers if steps]
    yield from (path for path in wanted if not path.exists())


def run_assemble(root: Path, target: Path) -> Stage:
    """Copy what ships into `target`; raises WorkbenchError where a part is missing or all are over 90 MB.

    Pages that stand in the target only (README, workbench file) are left alone.
    """
    opened = open_folder(root)
    missing = [path.relative_to(root) for one in opened for path in missing_parts(one)]
    if missing:
        names = ", ".join(map(str, missing))
        raise WorkbenchError(f"{root} has no {names} yet.", "Run `investigator train pocket` first.")
    files = list(shipped_files(opened))
    size = sum((root / file).stat().st_size for file in files)
    if size > MOST_BYTES:
        raise WorkbenchError(f"What would ship takes {size / 1e6:.1f} MB, over 90 MB.", "Make the recipe smaller.")
    for done, file in enumerate(files):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        if (root / file).resolve() != (target / file).resolve():
            shutil.copyfile(root / file, target / file)
        yield Progress(done + 1, len(files), f"copied {file}", {"megabytes": round(size / 1e6, 2)})
