"""The prompt-only reader: learned slots after the plain text up to a token, the control that reads the words alone.

What it scores says whether a label could be read off the text without the activation. It is trained on pairs of the
same draw as the default reader's.
"""

import torch

from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper
from backends.engine.training.contexts import contexts_of
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.machine import machine
from backends.engine.training.mapper import (
    MapperRun,
    Material,
    finished_card,
    load_material,
    slots_optimiser,
    train_run,
    tune_figures,
)
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.soft_likelihood import Prompt

NAME = "prompt-only"


def run_prompt_only(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Stage:
    """Train the slots into readers/prompt-only/, once; its card names `context_tokens`, the most text that it reads."""
    figures_file = folders.figures(f"mapper-{NAME}")
    if figures_file.exists():
        yield Progress(1, 1, "the prompt-only reader was trained before")
        return
    yield Progress(0, 1, "drawing pairs")
    material, settings = load_material(recipe, folders, device=device, dtype=dtype), recipe.mapper
    mapper = new_slots(material)
    run = MapperRun(
        mapper,
        lambda pairs: Prompt(mapper.blind(), contexts_of(pairs, settings.context_tokens, device)),
        slots_optimiser(mapper, settings),
        settings.prompt_only_steps,
        settings.slot_batch,
    )
    yield from train_run(run, material, f"mapper-{NAME}")
    figures = {**tune_figures(run, material), "seconds": round(run.seconds, 1), "pairs": float(len(material.pairs))}
    mapper.card = finished_card(mapper.card, recipe, folders, run)
    mapper.save(folders.reader(NAME))
    write_json(figures_file, {"machine": machine(device), "dtype": dtype, "seed": settings.seed, "figures": figures})
    yield Progress(run.steps, run.steps, "prompt-only reader trained", figures)


def new_slots(material: Material) -> SoftPromptMapper:
    """Slots before training: noise of an embedding's length, then `<|describe|>`, after which descriptions begin."""
    settings, embedding = material.recipe.mapper, material.likelihood.embedding.cpu()
    card = MapperCard(
        form="prompt-only",
        slots=settings.slots,
        width=material.subject.width,
        layer=material.recipe.sae.layer,
        seed=settings.seed,
    )
    mapper = SoftPromptMapper(card, embedding_norm=float(embedding.norm(dim=1).mean()), seed=settings.seed)
    with torch.no_grad():
        mapper.bias[-1] = embedding[material.special[1]]
    return mapper.to(material.subject.device)
