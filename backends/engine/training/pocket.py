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
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.prompt_only import NAME as PROMPT_ONLY
from backends.engine.training.prompt_only import run_prompt_only
from backends.engine.training.recipe import Recipe
from backends.engine.training.sae import run_sae
from backends.engine.training.statistics import run_statistics
from investigator.errors import WorkbenchError

MOST_BYTES = 40_000_000
SHIPPED = ("subject", "saes", "labels", "statistics", "readers", "heldout", "figures")
DEFAULT, PAPER = "l2el", "l2el-paper"


def run_readers(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the default reader, the blind and the prompt-only one and the paper's form, then measure label means."""
    yield from run_mapper(recipe, folders, recipe.mapper.form, DEFAULT, device=device, dtype=dtype)
    yield from run_blind(recipe, folders, device=device, dtype=dtype)
    yield from run_prompt_only(recipe, folders, device=device, dtype=dtype)
    yield from run_mapper(recipe, folders, "paper", PAPER, device=device, dtype=dtype)
    for name in (DEFAULT, PAPER):
        yield from run_label_means(recipe, folders, name, device=device)


def run_after_language_model(
    recipe: Recipe, folders: Folders, *, corpus: Path, device: str = "cpu", dtype: str = "float32"
) -> Stage:
    """All stages after the language model, each only where it was not done before."""
    yield from run_sae(recipe, folders, device=device, dtype=dtype)
    yield from run_statistics(recipe, folders, device=device, dtype=dtype)
    yield from run_labels(recipe, folders, corpus=corpus)
    yield from run_readers(recipe, folders, device=device, dtype=dtype)


def shipped_files(folders: Folders) -> Iterator[Path]:
    """Files of an output folder that ship, relative to it; caches and checkpoints stay behind."""
    for name in SHIPPED:
        yield from (
            path.relative_to(folders.root) for path in sorted((folders.root / name).rglob("*")) if path.is_file()
        )
    yield folders.recipe.relative_to(folders.root)


def run_assemble(folders: Folders, target: Path) -> Stage:
    """Copy what ships into `target`; raises WorkbenchError where a part is missing or all are over 40 MB.

    Pages that stand in the target only (README, workbench file) are left alone.
    """
    missing = [
        name for name in (*SHIPPED, f"readers/{BLIND}", f"readers/{PROMPT_ONLY}") if not (folders.root / name).exists()
    ]
    if missing:
        raise WorkbenchError(
            f"{folders.root} has no {', '.join(missing)} yet.", "Run `investigator train pocket` first."
        )
    files = list(shipped_files(folders))
    size = sum((folders.root / file).stat().st_size for file in files)
    if size > MOST_BYTES:
        raise WorkbenchError(f"What would ship takes {size / 1e6:.1f} MB, over 40 MB.", "Make the recipe smaller.")
    for done, file in enumerate(files):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        if (folders.root / file).resolve() != (target / file).resolve():
            shutil.copyfile(folders.root / file, target / file)
        yield Progress(done + 1, len(files), f"copied {file}", {"megabytes": round(size / 1e6, 2)})
