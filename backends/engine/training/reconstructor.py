"""Train a reconstructor (AR): the subject's first blocks with adapters turn a text back into an activation.

Blocks 0..K without the final norm, read at the last token by a head without bias (formats.md, section 1.6). The head
begins as the ridge solution on the frozen blocks; the loss is 1 - cosine over the layer's variance, which is 1 - fve.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from backends.engine.readers.fidelity import variance_of
from backends.engine.readers.reconstructor import HEAD
from backends.engine.readers.sidecar import NAME as SIDECAR
from backends.engine.readers.truncated import truncate
from backends.engine.subject import Subject
from backends.engine.training.adapters import adapted, factors, restore, write_adapter
from backends.engine.training.checkpoints import load_checkpoint, save_checkpoint
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.mapper import rate_factor
from backends.engine.training.pair_examples import Examples, batches, training_examples, tune_examples
from backends.engine.training.parts import autocast
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.verbalizer import RECONSTRUCTOR as NAME
from backends.engine.training.verbalizer import sidecar_of

_BETAS = (0.9, 0.98)
_ROWS = 128


@dataclass
class Backwards:
    """The adapted first blocks and the head."""

    model: Any
    subject: Subject
    template: str
    head: nn.Parameter
    dtype: str

    def hidden(self, texts: list[str]) -> Tensor:
        """The last token's state after the last block, float32 [texts, width]."""
        prompts = [self.subject.encode(self.template.replace("{explanation}", text)) for text in texts]
        longest = max(map(len, prompts))
        ids = torch.tensor([[*prompt, *([0] * (longest - len(prompt)))] for prompt in prompts])
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        mask = (torch.arange(longest) < lengths[:, None]).long().to(self.subject.device)
        with autocast(self.subject.device.type, self.dtype):
            hidden, _ = self.subject.body(input_ids=ids.to(self.subject.device), attention_mask=mask)
        return hidden[torch.arange(len(texts)), lengths - 1].float()

    def vectors(self, texts: list[str]) -> Tensor:
        """What comes back from texts, [texts, width]."""
        return self.hidden(texts) @ self.head.T


def open_backwards(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Backwards:
    """Load the subject's first blocks and put fresh adapters on them."""
    from backends.engine.loading import load_model, load_tokenizer

    settings, layer = recipe.reconstructor, recipe.sae.layer
    tokenizer = load_tokenizer(folders.subject, trust=False)
    whole = Subject(recipe.name, load_model(folders.subject, torch.float32, trust=False).to(device), tokenizer)
    template = str(sidecar_of(recipe, folders, whole, "ar")["prompt_templates"]["ar"])
    model = adapted(truncate(whole.model, layer + 1), settings.rank, settings.seed)
    subject = Subject(recipe.name, model.base_model.model, tokenizer)
    head = nn.Parameter(torch.eye(subject.width, device=subject.device))
    return Backwards(model, subject, template, head, dtype)


@torch.no_grad()
def start_head(work: Backwards, examples: Examples, count: int, ridge: float) -> None:
    """Set the head to the ridge solution from the frozen blocks' states to activations of length one."""
    places = np.arange(min(count, len(examples)))
    rows = [work.hidden(examples.texts[at : at + _ROWS]) for at in range(0, len(places), _ROWS)]
    x = torch.cat(rows)[: len(places)].double().cpu()
    y = nn.functional.normalize(examples.vectors(places).double(), dim=-1)
    gram = x.T @ x
    gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    work.head.copy_(torch.linalg.solve(gram, x.T @ y).T.float())


def run_reconstructor(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the reconstructor of the recipe's layer and write it, unless it is there."""
    settings, folder = recipe.reconstructor, folders.reader(NAME)
    if (folder / SIDECAR).exists() or not settings.steps:
        yield Progress(1, 1, "the reconstructor was trained before, or the recipe gives it no steps")
        return
    yield Progress(0, settings.steps, "drawing texts and their activations")
    work = open_backwards(recipe, folders, device=device, dtype=dtype)
    examples = training_examples(recipe, folders, max(settings.start, settings.steps * settings.batch), settings.seed)
    variance = variance_of(examples.vectors(np.arange(min(4096, len(examples)))))
    step, seconds = 0, 0.0
    groups = [
        {"params": list(factors(work.model).values()), "initial_lr": settings.rate},
        {"params": [work.head], "initial_lr": settings.head_rate},
    ]
    optimiser = torch.optim.Adam(groups, lr=0.0, betas=_BETAS)
    checkpoint = folders.checkpoint(NAME)
    if (state := load_checkpoint(checkpoint, settings, device)) is not None:
        restore(work.model, state["factors"])
        work.head.data.copy_(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]
    else:
        start_head(work, examples, settings.start, settings.ridge)
    drawn = batches(examples, settings.batch, settings.seed)
    for _ in range(step):
        next(drawn)
    saved, smooth = time.monotonic(), 0.0
    while step < settings.steps:
        start = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * rate_factor(step, settings.steps, settings.warmup_steps)
        loss = _step(work, examples, next(drawn), optimiser, variance)
        step, smooth = step + 1, loss if smooth == 0.0 else 0.95 * smooth + 0.05 * loss
        seconds += time.monotonic() - start
        if time.monotonic() - saved > settings.checkpoint_seconds or step == settings.steps:
            state = {"factors": factors(work.model), "head": work.head.data, "optimiser": optimiser.state_dict()}
            save_checkpoint(checkpoint, settings, state | {"step": step, "seconds": seconds})
            saved = time.monotonic()
        yield Progress(step, settings.steps, "training the reconstructor", {"fve": 1 - smooth})
    figures = tune_figures(work, tune_examples(recipe, folders, settings.tune, settings.seed), variance)
    write_adapter(work.model, folder, recipe.name, sidecar_of(recipe, folders, work.subject, "ar"))
    save_file({"weight": work.head.detach().cpu().bfloat16().contiguous()}, folder / HEAD)
    write_json(folders.figures(NAME), figures | {"steps": step, "seconds": round(seconds), "rank": settings.rank})
    yield Progress(step, settings.steps, "the reconstructor is written", figures)


def _step(
    work: Backwards, examples: Examples, places: NDArray[np.int64], optimiser: torch.optim.Optimizer, variance: float
) -> float:
    found = work.vectors([examples.texts[place] for place in places])
    wanted = examples.vectors(places).to(found.device)
    loss = 2 * (1 - nn.functional.cosine_similarity(found, wanted, dim=-1)).mean() / variance
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(factors(work.model).values(), 1.0)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def tune_figures(work: Backwards, tune: Examples, variance: float) -> dict[str, float]:
    """Mean fve and cosine on the tune documents, and what the texts of other places get."""
    places = np.arange(len(tune))
    vectors = torch.cat([work.vectors(tune.texts[at : at + _ROWS]) for at in range(0, len(tune), _ROWS)]).cpu()
    own = nn.functional.cosine_similarity(vectors, tune.vectors(places), dim=-1).mean()
    other = nn.functional.cosine_similarity(vectors, tune.elsewhere().vectors(places), dim=-1).mean()
    return {
        "tune_cosine": float(own),
        "tune_fve": 1 - 2 * (1 - float(own)) / variance,
        "tune_fve_elsewhere": 1 - 2 * (1 - float(other)) / variance,
        "variance": variance,
    }
