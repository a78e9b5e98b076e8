"""Train the soft-prompt mappers: the frozen subject must write the drawn latent's label after the mapped activation."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from backends.engine import fingerprints
from backends.engine import labels as label_files
from backends.engine.readers.soft_prompt import Form, MapperCard, SoftPromptMapper
from backends.engine.training.checkpoints import load_checkpoint, save_checkpoint
from backends.engine.training.firings import Firings, firings_folder
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.machine import machine
from backends.engine.training.mapper_pairs import Pairs, heldout_pairs, heldout_places, training_pairs
from backends.engine.training.mapper_start import start_slots
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import MapperRecipe, Recipe
from backends.engine.training.soft_likelihood import Prompt, SoftLikelihood, bucketed_batches, pad_targets
from backends.engine.training.tokenizer import BOS, DESCRIBE, load_tokenizer

_SCORED_AT_ONCE = 256
_BETAS = (0.9, 0.98)


@dataclass
class Material:
    """What the training of any mapper needs, loaded once."""

    recipe: Recipe
    folders: Folders
    labels: LabelTexts
    pairs: Pairs
    tune: Pairs
    likelihood: SoftLikelihood
    special: tuple[int, int]
    """Ids of `<|bos|>` and `<|describe|>`."""

    @property
    def subject(self) -> TrainedSubject:
        """The frozen subject."""
        return self.likelihood.subject


def load_material(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Material:
    """Open the subject, the labels and the pairs (drawn now where they were not)."""
    labels = LabelTexts.load(folders.labels(recipe.sae.layer), recipe.sae.latents)
    pairs = training_pairs(recipe, folders, labels)
    places = heldout_places(recipe, folders, "tune", device=device, dtype=dtype)
    tune, _ = heldout_pairs(places, labels, unseen=False, count=recipe.mapper.tune_pairs, seed=recipe.mapper.seed)
    tokenizer = load_tokenizer(folders.subject)
    subject = TrainedSubject.load(folders.subject, device=device, dtype=dtype)
    likelihood = SoftLikelihood(subject, pad_targets(labels.tokens(tokenizer)))
    special = (tokenizer.convert_tokens_to_ids(BOS), tokenizer.convert_tokens_to_ids(DESCRIBE))
    return Material(recipe, folders, labels, pairs, tune, likelihood, special)


def residual_tensor(pairs: Pairs, device: str) -> Tensor:
    """The pairs' activations, float32 [pairs, width]."""
    return torch.from_numpy(pairs.residuals.astype(np.float32)).to(device)


def label_tensor(pairs: Pairs, device: str) -> Tensor:
    """The places of the pairs' labels, int64 [pairs]."""
    return torch.from_numpy(pairs.labels.astype(np.int64)).to(device)


def new_mapper(material: Material, form: Form) -> SoftPromptMapper:
    """A mapper before training: the soft prompt begins as `<|bos|>`, some words' embeddings, `<|describe|>`."""
    recipe, settings = material.recipe, material.recipe.mapper
    embedding = material.likelihood.embedding.cpu()
    mean = load_file(material.folders.statistics / "layers.safetensors")["mean"][recipe.sae.layer]
    card = MapperCard(
        form=form, slots=settings.slots, width=embedding.shape[1], layer=recipe.sae.layer, seed=settings.seed
    )
    norm = float(embedding.norm(dim=1).mean())
    mapper = SoftPromptMapper(card, mean=mean, embedding_norm=norm, seed=settings.seed)
    # The paper's gain multiplies the raw activation, so its scale is that of an embedding over an activation.
    gain = norm / _mean_norm(material.pairs, settings.seed) if form == "paper" else 1.0
    with torch.no_grad():
        mapper.bias[0], mapper.bias[-1] = embedding[material.special[0]], embedding[material.special[1]]
        mapper.gamma.fill_(0.5 * gain)
        mapper.gamma[0] = mapper.gamma[-1] = 0.0
    if form == "slotwise":
        firings = Firings.load(firings_folder(material.folders, recipe.sae.layer))
        start_slots(mapper, firings, embedding, settings.ridge, settings.seed)
    return mapper.to(material.subject.device)


def _mean_norm(pairs: Pairs, seed: int) -> float:
    """Mean L2 norm of a sample of the pairs' activations."""
    places = np.random.default_rng(seed).permutation(len(pairs))[:4096]
    return float(residual_tensor(pairs.some(places), "cpu").norm(dim=1).mean())


def rates(form: Form, mapper: SoftPromptMapper, settings: MapperRecipe) -> list[dict[str, Any]]:
    """Parameter groups with their learning rates; the paper's gains move in proportion to their scale."""
    scale = float(mapper.gamma.detach().abs().max()) if form == "paper" else 1.0
    groups = [
        {"params": [mapper.gamma], "initial_lr": settings.gamma_rate * scale},
        {"params": [mapper.bias], "initial_lr": settings.bias_rate},
    ]
    if form != "paper":
        groups.append({"params": [mapper.matrix], "initial_lr": settings.matrix_rate})
    return groups


def slots_optimiser(mapper: SoftPromptMapper, settings: MapperRecipe) -> torch.optim.Optimizer:
    """The optimiser of a reader that learns its slots and nothing else."""
    groups = [{"params": [mapper.bias], "initial_lr": settings.slot_rate}]
    return torch.optim.Adam(groups, lr=0.0, betas=_BETAS)


def rate_factor(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then linear decay to zero at the last step."""
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup), 1.0)


@dataclass
class MapperRun:
    """One training run: a prompt maker, its optimiser and the place in the run."""

    mapper: SoftPromptMapper
    prompts: Callable[[Pairs], Prompt]
    """What stands before the labels of some pairs."""
    optimiser: torch.optim.Optimizer
    steps: int
    batch: int
    """Pairs in a step."""
    step: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {
            "mapper": self.mapper.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.mapper.load_state_dict(state["mapper"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]


def train_run(run: MapperRun, material: Material, name: str) -> Stage:
    """Take all remaining steps; checkpoints in work/, the tune figures in the progress."""
    settings = material.recipe.mapper
    checkpoint = material.folders.checkpoint(name)
    if (state := load_checkpoint(checkpoint, settings, material.subject.device)) is not None:
        run.restore(state)
    batches = _remaining_batches(run, material, settings.seed)
    saved = measured = time.monotonic()
    figures: dict[str, float] = {}
    smooth = 0.0
    while run.step < run.steps:
        start = time.monotonic()
        loss = _step(run, material, next(batches), settings)
        smooth = loss if smooth == 0.0 else 0.98 * smooth + 0.02 * loss
        now = time.monotonic()
        run.seconds += now - start
        if now - saved > settings.checkpoint_seconds or run.step == run.steps:
            save_checkpoint(checkpoint, settings, run.state())
            saved = time.monotonic()
        if now - measured > settings.evaluation_seconds or run.step == run.steps:
            figures = tune_figures(run, material)
            measured = time.monotonic()
        yield Progress(run.step, run.steps, f"training {name}", {**figures, "loss": smooth})


def _remaining_batches(run: MapperRun, material: Material, seed: int) -> Iterator[np.ndarray]:
    lengths = material.likelihood.lengths.cpu().numpy()[material.pairs.labels]
    batches = bucketed_batches(lengths, run.batch, seed)
    for _ in range(run.step):
        next(batches)
    return batches


def _step(run: MapperRun, material: Material, places: np.ndarray, settings: MapperRecipe) -> float:
    pairs = material.pairs.some(places)
    for group in run.optimiser.param_groups:
        group["lr"] = group["initial_lr"] * rate_factor(run.step, run.steps, settings.warmup_steps)
    loss = material.likelihood.loss(run.prompts(pairs), label_tensor(pairs, material.subject.device))
    run.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimiser.step()
    run.step += 1
    return float(loss.detach())


@torch.no_grad()
def pair_scores(run: MapperRun, pairs: Pairs, likelihood: SoftLikelihood) -> Tensor:
    """Nats a token of each pair's label under the prompt made for its place, [pairs]."""
    parts = []
    for start in range(0, len(pairs), _SCORED_AT_ONCE):
        some = pairs.some(np.arange(start, min(start + _SCORED_AT_ONCE, len(pairs))))
        parts.append(likelihood.scores(run.prompts(some), label_tensor(some, likelihood.subject.device)))
    return torch.cat(parts)


def tune_figures(run: MapperRun, material: Material) -> dict[str, float]:
    """Tune documents: nll in nats a token, and with the activations (or texts) of other places instead."""
    own = -pair_scores(run, material.tune, material.likelihood)
    shuffled = -pair_scores(run, material.tune.elsewhere(), material.likelihood)
    return {"tune_nll": float(own.mean()), "tune_shuffled_nll": float(shuffled.mean())}


def finished_card(card: MapperCard, recipe: Recipe, folders: Folders, run: MapperRun) -> MapperCard:
    """The card of a trained mapper: what it was trained against, for how long, and with which settings."""
    labels = label_files.read(folders.labels(recipe.sae.layer))
    return msgspec.structs.replace(
        card,
        sae=folders.sae_name(recipe.sae.layer),
        subject_fingerprint=fingerprints.of_folder(folders.subject),
        labels_fingerprint=labels.fingerprint,
        label_split=f"../../labels/{folders.labels(recipe.sae.layer).name}",
        steps=run.steps,
        notes=msgspec.to_builtins(recipe.mapper),
    )


def run_mapper(recipe: Recipe, folders: Folders, form: Form, name: str, *, device: str, dtype: str) -> Stage:
    """Train one form of mapper into readers/NAME/, once."""
    figures_file = folders.figures(f"mapper-{name}")
    if figures_file.exists():
        yield Progress(1, 1, f"the mapper {name} was trained before")
        return
    yield Progress(0, 1, "drawing pairs")
    material = load_material(recipe, folders, device=device, dtype=dtype)
    mapper, subject = new_mapper(material, form), material.subject
    optimiser = torch.optim.Adam(rates(form, mapper, recipe.mapper), lr=0.0, betas=_BETAS)
    steps = recipe.mapper.paper_steps if form == "paper" else recipe.mapper.steps

    def prompts(some: Pairs) -> Prompt:
        return Prompt(mapper(residual_tensor(some, subject.device)))

    run = MapperRun(mapper, prompts, optimiser, steps, recipe.mapper.batch)
    yield from train_run(run, material, f"mapper-{name}")
    figures = {**tune_figures(run, material), "seconds": round(run.seconds, 1), "pairs": float(len(material.pairs))}
    mapper.card = finished_card(mapper.card, recipe, folders, run)
    mapper.save(folders.reader(name), torch.float16)
    write_json(
        figures_file, {"machine": machine(device), "dtype": dtype, "seed": recipe.mapper.seed, "figures": figures}
    )
    yield Progress(run.steps, run.steps, f"mapper {name} trained", figures)
