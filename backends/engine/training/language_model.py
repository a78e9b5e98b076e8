"""Train the subject: a small language model, from token rows to a transformers directory."""

import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from backends.engine.training.checkpoints import load_checkpoint, save_checkpoint
from backends.engine.training.chunked_loss import IGNORED, chunked_cross_entropy
from backends.engine.training.compression import bits_per_byte
from backends.engine.training.families import embedding_names, new_model
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.machine import machine
from backends.engine.training.optimisers import Muon, linear_decay
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import LanguageModelRecipe, Recipe
from backends.engine.training.rows import Rows, load_rows
from backends.engine.training.splits import read_heldout
from backends.engine.training.tokenizer import load_tokenizer


def build_model(recipe: LanguageModelRecipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A freshly initialised model of the recipe's family and shape, from the recipe's seed; embeddings are tied."""
    torch.manual_seed(recipe.seed)
    return new_model(
        recipe,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def make_optimisers(
    model: PreTrainedModel, recipe: LanguageModelRecipe, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, norms and biases."""
    embeddings = embedding_names(model)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name not in embeddings]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or name in embeddings]
    adam = torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay)
    muon = Muon(matrices, lr=recipe.muon_rate, dtype=dtype, weight_decay=recipe.weight_decay)
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return [muon, adam]


@dataclass
class Run:
    """A training run in memory: all that a checkpoint must hold."""

    model: PreTrainedModel
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]


def batch_of(rows: Rows, order: np.ndarray, step: int, size: int, device: str) -> torch.Tensor:
    """Token ids [size, context] of one step; rows are taken in the given order, without replacement."""
    chosen = np.sort(order[step * size : (step + 1) * size])
    return torch.from_numpy(rows[chosen].astype(np.int64)).to(device)


class Trainer:
    """Takes the steps of one run."""

    def __init__(
        self, recipe: LanguageModelRecipe, tokenizer: PreTrainedTokenizerFast, device: str, dtype: str
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.dtype = getattr(torch, dtype)
        model = build_model(recipe, tokenizer).to(device)
        self.run = Run(model, make_optimisers(model, recipe, self.dtype))
        self.pad = tokenizer.pad_token_id
        self.forward: Any = torch.compile(model.base_model) if recipe.compile else model.base_model

    def loss(self, ids: torch.Tensor) -> torch.Tensor:
        """Mean next-token loss in nats; `<|pad|>` is never predicted."""
        with torch.autocast(self.device, dtype=self.dtype, enabled=self.dtype != torch.float32):
            hidden = self.forward(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        targets = ids[:, 1:].masked_fill(ids[:, 1:] == self.pad, IGNORED)
        weight = self.run.model.get_input_embeddings().weight
        return chunked_cross_entropy(
            hidden.flatten(0, 1), weight, targets.flatten(), self.recipe.loss_chunk, self.dtype
        )

    def step(self, ids: torch.Tensor, total: int) -> float:
        """One optimiser step at the learning rate of its place in the run; the loss in nats."""
        factor = linear_decay(self.run.step, total, self.recipe.warmup_steps, self.recipe.decay_from)
        loss = self.loss(ids)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.run.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * factor
            optimiser.step()
            optimiser.zero_grad()
        self.run.step += 1
        return float(loss.detach())


def run_language_model(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the language model and write `subject/`; resumes from work/language-model.pt.

    `dtype` is the type of the matrix products; weights stay float32 until they are saved.
    """
    settings = recipe.language_model
    figures_file = folders.figures("language-model")
    if figures_file.exists():
        yield Progress(1, 1, "the language model was trained before")
        return
    tokenizer = load_tokenizer(folders.subject)
    rows = load_rows(folders)
    total = min(len(rows), settings.used_tokens // settings.context) // settings.batch_rows
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    trainer = Trainer(settings, tokenizer, device, dtype)
    checkpoint = folders.work / "language-model.pt"
    if (state := load_checkpoint(checkpoint, recipe.language_model, device)) is not None:
        trainer.run.restore(state)
    yield from _train(trainer, rows, order, total, checkpoint, folders)
    yield Progress(total, total, "measuring bits per byte on test documents")
    save_subject(trainer.run.model, folders.subject)
    saved = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32).to(device)
    figures = {
        "bits_per_byte": bits_per_byte(saved, tokenizer, read_heldout(folders, "test")),
        "bits_per_byte_float32": bits_per_byte(trainer.run.model, tokenizer, read_heldout(folders, "test")),
        "tokens": float(total * settings.batch_rows * settings.context),
        "steps": float(total),
        "seconds": round(trainer.run.seconds, 1),
        "parameters": float(saved.num_parameters()),
    }
    write_json(figures_file, {"machine": machine(device), "dtype": dtype, "seed": settings.seed, "figures": figures})
    yield Progress(total, total, "language model trained", figures)


def _train(trainer: Trainer, rows: Rows, order: np.ndarray, total: int, checkpoint: Path, folders: Folders) -> Stage:
    settings, run = trainer.recipe, trainer.run
    saved = measured = time.monotonic()
    figures: dict[str, float] = {}
    while run.step < total:
        start = time.monotonic()
        loss = trainer.step(batch_of(rows, order, run.step, settings.batch_rows, trainer.device), total)
        now = time.monotonic()
        run.seconds += now - start
        if now - saved > settings.checkpoint_seconds or run.step == total:
            save_checkpoint(checkpoint, settings, run.state())
            saved = time.monotonic()
        if now - measured > settings.evaluation_seconds:
            tokenizer = load_tokenizer(folders.subject)
            tune = read_heldout(folders, "tune")[::3]
            figures["tune_bits_per_byte"] = bits_per_byte(run.model, tokenizer, tune)
            measured = time.monotonic()
        speed = settings.batch_rows * settings.context / (now - start)
        yield Progress(run.step, total, "training", {**figures, "loss": loss, "tokens_per_second": round(speed)})


def save_subject(model: PreTrainedModel, folder: Path) -> None:
    """Write config, bfloat16 weights and generation config into the transformers directory."""
    copy = deepcopy(model)
    copy.config.use_cache = True
    copy.generation_config.do_sample = True
    copy.generation_config.max_new_tokens = 32
    copy.to(torch.bfloat16).save_pretrained(folder)
    # safetensors makes private files; what ships must be readable by others.
    (folder / "model.safetensors").chmod(0o644)
