"""The blind reader: a soft prompt trained alike that never sees the activation, the floor that a mapper must beat."""

import torch

from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.label_counts import write_counts
from backends.engine.training.machine import machine
from backends.engine.training.mapper import (
    MapperRun,
    finished_card,
    load_material,
    new_mapper,
    slots_optimiser,
    train_run,
    tune_figures,
)
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.soft_likelihood import Prompt

NAME = "l2el-blind"


def run_blind(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Stage:
    """Train biases alone on the same pairs, for as many steps as the recipe says, into readers/l2el-blind/."""
    figures_file = folders.figures(f"mapper-{NAME}")
    if figures_file.exists():
        yield Progress(1, 1, "the blind reader was trained before")
        return
    yield Progress(0, 1, "drawing pairs")
    material = load_material(recipe, folders, device=device, dtype=dtype)
    mapper = make_blind(new_mapper(material, "paper"))
    settings = recipe.mapper
    optimiser = slots_optimiser(mapper, settings)
    run = MapperRun(mapper, lambda _: Prompt(mapper.blind()), optimiser, settings.blind_steps, settings.slot_batch)
    yield from train_run(run, material, f"mapper-{NAME}")
    figures = {"tune_nll": tune_figures(run, material)["tune_nll"], "seconds": round(run.seconds, 1)}
    mapper.card = finished_card(mapper.card, recipe, folders, run)
    mapper.save(folders.reader(NAME))
    write_counts(folders.reader(NAME), torch.from_numpy(material.pairs.labels), len(material.labels.texts))
    write_json(figures_file, {"machine": machine(device), "dtype": dtype, "seed": settings.seed, "figures": figures})
    yield Progress(run.steps, run.steps, "blind reader trained", figures)


def make_blind(mapper: SoftPromptMapper) -> SoftPromptMapper:
    """Set the gains to zero for good: every activation then gives the same soft prompt."""
    with torch.no_grad():
        mapper.gamma.zero_()
    mapper.gamma.requires_grad_(False)
    return mapper
