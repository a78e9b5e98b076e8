"""Every label's mean score over background positions: what makes a gap of a score."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from backends.engine import fingerprints
from backends.engine import labels as label_files
from backends.engine.likelihood import make_plan, score_many, tokens_a_step
from backends.engine.readers.soft_prompt import WEIGHTS, SoftPromptMapper
from backends.engine.training.folders import Folders, write_atomically, write_json
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.whole_subject import open_subject

MEANS = "label_means.safetensors"


def run_label_means(recipe: Recipe, folders: Folders, name: str, *, device: str = "cpu") -> Stage:
    """Write label_means.safetensors and its card into the reader's folder, once.

    `means` [labels] and the `scores` [labels, positions] behind them, nats a token, float32, in the order of the
    label file's distinct texts.
    """
    folder, layer = folders.reader(name), recipe.sae.layer
    card = folder / "label_means.json"
    if card.exists():
        yield Progress(1, 1, f"label means of {name} were measured before")
        return
    subject = open_subject(folders, recipe.name, device)
    labels = label_files.read(folders.labels(layer))
    mapper = SoftPromptMapper.load(folder).to(device)
    background = first_background(folders, layer, recipe.mapper.background)
    soft = mapper(background.to(device))
    ids = [tuple(subject.tokenizer.encode(text, add_special_tokens=False)) for text in labels.texts]
    plan = make_plan(ids, tokens_a_step=tokens_a_step(subject))
    scores = torch.full((len(soft), len(ids)), torch.nan, dtype=torch.float64)
    for done in score_many(subject, soft, plan):
        scores[done.sources.start : done.sources.stop, done.texts] = done.scores
        yield Progress(int(scores.isfinite().sum()), scores.numel(), f"scoring labels on the background of {name}")
    tensors = {"means": scores.mean(0).float().contiguous(), "scores": scores.T.float().contiguous()}
    write_atomically(folder / MEANS, lambda path: save_file(tensors, path))
    write_json(
        card,
        {
            "labels": labels.list_fingerprint,
            "reader": fingerprints.of_file(folder / WEIGHTS),
            "positions": len(background),
            "layer": layer,
        },
    )
    yield Progress(1, 1, f"label means of {name} measured")


def first_background(folders: Folders, layer: int, count: int) -> Tensor:
    """The first `count` background activations of a layer, float32 [count, width]; they stand in drawn order."""
    background: Tensor = load_file(folders.statistics / "layers.safetensors")["background"]
    return background[layer, :count].float()


def load_means(folder: Path) -> Tensor:
    """The means that `run_label_means` wrote, float64 [labels]."""
    means: Tensor = load_file(folder / MEANS)["means"]
    return means.double()
