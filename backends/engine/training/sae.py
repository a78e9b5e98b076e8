"""Train the sparse autoencoder of one layer and measure it on test documents."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from backends.engine.training.activations import ActivationSource
from backends.engine.training.checkpoints import load_checkpoint, save_checkpoint
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.machine import machine
from backends.engine.training.optimisers import linear_decay
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe, SAERecipe
from backends.engine.training.rows import load_rows
from backends.engine.training.sae_folder import configuration, fold_scaling, save_sae
from backends.engine.training.splits import read_heldout
from backends.engine.training.tokenizer import load_tokenizer
from backends.engine.training.topk_trainer import NAMES, TopKTrainer, Weights

_ROWS_A_CHUNK = 128


@dataclass
class Run:
    """A training run in memory; the mean and scale are those of the first chunk."""

    trainer: TopKTrainer
    mean: Tensor
    scale: float
    chunk: int = 0
    step: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {
            "weights": dict(zip(NAMES, self.trainer.weights.all(), strict=True)),
            "optimiser": self.trainer.optimiser.state_dict(),
            "silent": self.trainer.silent,
            "mean": self.mean,
            "numbers": [self.scale, self.seconds],
            "counts": [self.chunk, self.step],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        for tensor, name in zip(self.trainer.weights.all(), NAMES, strict=True):
            tensor.copy_(state["weights"][name])
        self.trainer.optimiser.load_state_dict(state["optimiser"])
        self.trainer.silent.copy_(state["silent"])
        self.mean = state["mean"].to(self.mean.device)
        self.scale, self.seconds = state["numbers"]
        self.chunk, self.step = state["counts"]


def new_run(settings: SAERecipe, first: Tensor, dtype: torch.dtype) -> Run:
    """A run at its beginning, scaled so that centred activations have a mean square of one."""
    mean = first.mean(0)
    scale = float((first - mean).square().mean().sqrt())
    generator = torch.Generator().manual_seed(settings.seed)
    weights = Weights.initial(first.shape[1], settings.latents, generator, str(first.device))
    trainer = TopKTrainer(
        weights,
        k=settings.k,
        rate=settings.rate,
        auxiliary_k=settings.auxiliary_k,
        auxiliary_weight=settings.auxiliary_weight,
        dead_tokens=settings.dead_tokens,
        dtype=dtype,
    )
    return Run(trainer, mean, scale)


def text_rows(recipe: Recipe, folders: Folders) -> Any:
    """The training rows that hold text: features are read on text, not on dictionary lines."""
    rows = load_rows(folders)
    return rows[: len(rows) - int(len(rows) * recipe.language_model.dictionary_share)]


def run_sae(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the recipe's autoencoder and write `saes/L<layer>/`; resumes from work/sae-L<layer>.pt.

    Model and autoencoder both work on `device`, with matrix products in `dtype`; the figures are float32 on the CPU.
    """
    settings = recipe.sae
    figures_file = folders.figures("sae")
    if figures_file.exists():
        yield Progress(1, 1, "the autoencoder was trained before")
        return
    tokenizer = load_tokenizer(folders.subject)
    subject = TrainedSubject.load(folders.subject, device=device, dtype=dtype, layers=settings.layer + 1)
    source = ActivationSource(
        subject, text_rows(recipe, folders), list(tokenizer.all_special_ids), _ROWS_A_CHUNK, settings.seed
    )
    yield from _train(source, recipe, folders, getattr(torch, dtype))
    sae = FrozenSae.load(folders.sae(settings.layer), device="cpu", dtype="float32")
    figures = measure(sae, subject, tokenizer, read_heldout(folders, "test"))
    state = load_checkpoint(folders.work / f"sae-L{settings.layer}.pt", settings, "cpu")
    assert state is not None
    figures |= {"tokens": float(state["counts"][1] * settings.batch), "seconds": round(state["numbers"][1], 1)}
    write_json(figures_file, {"machine": machine(device), "dtype": dtype, "seed": settings.seed, "figures": figures})
    yield Progress(1, 1, "autoencoder trained", figures)


def _train(source: ActivationSource, recipe: Recipe, folders: Folders, dtype: torch.dtype) -> Stage:
    settings = recipe.sae
    total = settings.tokens // settings.batch
    run = new_run(settings, source.chunk(0), dtype)
    checkpoint = folders.work / f"sae-L{settings.layer}.pt"
    if (state := load_checkpoint(checkpoint, settings, "cpu")) is not None:
        run.restore(state)
    saved = time.monotonic()
    while run.step < total:
        start = time.monotonic()
        activations = (source.chunk(run.chunk) - run.mean) / run.scale
        unexplained = _steps(run, activations, settings, total)
        run.chunk += 1
        run.seconds += time.monotonic() - start
        if time.monotonic() - saved > settings.checkpoint_seconds or run.step >= total:
            save_checkpoint(checkpoint, settings, run.state())
            saved = time.monotonic()
        figures = {"unexplained": unexplained, "dead": float(run.trainer.dead.float().mean())}
        yield Progress(run.step, total, "training the autoencoder", figures)
    config = configuration(
        run.trainer.weights,
        settings.k,
        layer=settings.layer,
        model_name=recipe.name,
        context=recipe.language_model.context,
        dataset=f"{recipe.name} training split",
    )
    raw = fold_scaling(run.trainer.weights, run.mean, run.scale)
    save_sae(folders.sae(settings.layer), raw, config, getattr(torch, settings.weights))


def _steps(run: Run, activations: Tensor, settings: SAERecipe, total: int) -> float:
    """Take the chunk's steps; the mean share of variance unexplained over them."""
    shares = []
    for batch in torch.split(activations[: len(activations) // settings.batch * settings.batch], settings.batch):
        if run.step >= total:
            break
        factor = linear_decay(run.step, total, settings.warmup_steps, settings.decay_from)
        shares.append(run.trainer.step(batch, factor))
        run.step += 1
    return sum(shares) / max(1, len(shares))


def measure(
    sae: FrozenSae, subject: TrainedSubject, tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> dict[str, float]:
    """Share of variance unexplained, share of latents that never fire, and active latents a token, on `texts`."""
    limit = int(subject.model.config.max_position_embeddings)
    parts = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=limit)["input_ids"]])
        parts.append(subject.residuals(ids.to(subject.device))[-1][0, 1:].cpu())
    residuals = torch.cat(parts)
    latents, values = sae.strongest(residuals)
    missing = (residuals - sae.reconstruct(residuals)).square().sum()
    variance = (residuals - residuals.mean(0)).square().sum()
    fired = torch.zeros(sae.latents, dtype=torch.bool)
    fired[latents[values > 0]] = True
    return {
        "variance_unexplained": float(missing / variance),
        "silent_share": float((~fired).float().mean()),
        "active_latents": float((values > 0).sum(1).float().mean()),
        "test_tokens": float(len(residuals)),
    }
