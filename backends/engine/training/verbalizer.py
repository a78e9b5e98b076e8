"""Train a verbalizer (AV): the subject with adapters writes what an activation holds, in the NLA format.

The activation takes the marker's place in the residual stream just below the layer it is of, as it is, where the
subject reads it before any training (SelfIE); the sidecar says so under `injection`. In place of the embedding, as
released NLAs have it, 1,100 examples taught the format and nothing of the activation. The answer is `<explanation>`, a
text, `</explanation>`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine import fingerprints
from backends.engine.likelihood.injected import Injected, Injection
from backends.engine.readers.prompts import Prompt, prompt_of
from backends.engine.readers.sidecar import NAME as SIDECAR
from backends.engine.readers.spec import NLA, InjectionSpec, changed
from backends.engine.subject import Subject
from backends.engine.training.adapters import adapted, factors, restore, write_adapter
from backends.engine.training.checkpoints import load_checkpoint, save_checkpoint
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.mapper import rate_factor
from backends.engine.training.pair_examples import Examples, batches, training_examples, tune_examples
from backends.engine.training.parts import autocast
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe

NAME = "verbalizer"
RECONSTRUCTOR = "reconstructor"
MARKER = "<|pad|>"
"""A token of pocket's tokenizer that no text holds."""
_PROMPT = f"{MARKER}<|describe|>"
_PROMPTS = {"av": _PROMPT.replace(MARKER, "{injection_char}"), "ar": "<text>{explanation}</text> <summary>"}
_OPENING, _CLOSING = "<explanation>\n", "\n</explanation>"
_BETAS = (0.9, 0.98)


def sidecar_of(recipe: Recipe, folders: Folders, subject: Subject, role: str) -> dict[str, Any]:
    """The `nla_meta.yaml` of pocket's pair: the released keys, and under `injection` what makes adapters replace."""
    prompt = subject.tokenizer(_PROMPT)["input_ids"]
    at = prompt.index(subject.tokenizer.convert_tokens_to_ids(MARKER))
    summary = subject.encode_plain(_PROMPTS["ar"].split("{explanation}")[1])
    scale = "raw" if role == "av" else None
    return {
        "kind": "nla_model",
        "schema_version": 2,
        "role": role,
        "stage": "sft",
        "base_checkpoint": recipe.name,
        "subject_fingerprint": fingerprints.of_folder(folders.subject),
        "d_model": subject.width,
        "extraction": {"injection_scale": scale, "mse_scale": subject.width**0.5},
        "tokens": {
            "injection_char": MARKER,
            "injection_token_id": prompt[at],
            "injection_left_neighbor_id": prompt[at - 1],
            "injection_right_neighbor_id": prompt[at + 1],
            "critic_suffix_ids": summary[-3:],
        },
        "prompt_templates": _PROMPTS,
        "critic": {"extraction_layer_index": recipe.sae.layer},
        "extraction_layer_index": recipe.sae.layer,
        **({"injection": _injection(recipe.sae.layer)} if role == "av" else {}),
    }


def _injection(layer: int) -> dict[str, str | int]:
    return {"site": "block_in", "block": max(layer - 1, 0), "operation": "replace", "norm": "raw"}


def spec_from(sidecar: dict[str, Any]) -> InjectionSpec:
    """The spec that a reader of this sidecar works by."""
    tokens = sidecar["tokens"]
    return changed(
        NLA,
        {
            "prompt": _PROMPTS["av"].replace("{injection_char}", "{marker}"),
            "marker": tokens["injection_char"],
            "marker_id": tokens["injection_token_id"],
            **sidecar["injection"],
        },
        SIDECAR,
    )


@dataclass
class Speech:
    """The adapted subject, and how it is asked."""

    model: Any
    subject: Subject
    prompt: Prompt
    injection: Injection
    embeds: Tensor
    dtype: str

    def losses(self, vectors: Tensor, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Summed -log p of each answer, and its number of tokens, both [texts]; tags and end of text included."""
        answers = [[*self.subject.encode_plain(f"{_OPENING}{text}{_CLOSING}"), self.subject.eos_id] for text in texts]
        longest = max(map(len, answers))
        padded = torch.tensor([[*ids, *([0] * (longest - len(ids)))] for ids in answers])
        lengths = torch.tensor([len(ids) for ids in answers])
        scored = torch.arange(longest) < lengths[:, None]
        before = len(self.prompt.ids)
        mask = torch.cat([torch.ones(len(texts), before, dtype=torch.bool), scored], 1)[:, :-1]
        prompts = Injected(self.embeds, vectors[:, None], self.prompt.positions, self.injection)
        with autocast(self.subject.device.type, self.dtype), prompts.injecting(self.subject):
            embeds = prompts.before(self.subject, self.subject.embed(padded[:, :-1]))
            hidden, _ = self.subject.body(inputs_embeds=embeds, attention_mask=mask.long().to(embeds.device))
            logits = self.subject.head(hidden[:, before - 1 :][scored]).float()
        values = torch.nn.functional.cross_entropy(logits, padded[scored].to(logits.device), reduction="none").cpu()
        sums = torch.zeros(len(texts)).index_add(0, scored.nonzero()[:, 0], values)
        return sums, lengths


def open_speech(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> Speech:
    """Load the subject and put fresh adapters on it."""
    from backends.engine.loading import load_model, load_tokenizer

    settings = recipe.verbalizer
    base = load_model(folders.subject, torch.float32, trust=False).to(device)
    tokenizer = load_tokenizer(folders.subject, trust=False)
    model = adapted(base, settings.rank, settings.seed)
    subject = Subject(recipe.name, model.base_model.model, tokenizer)
    spec = spec_from(sidecar_of(recipe, folders, subject, "av"))
    prompt = prompt_of(NAME, spec, subject, recipe.sae.layer)
    with torch.no_grad():
        embeds = subject.embed(torch.tensor(prompt.ids)).clone()
    injection = Injection("replace", "raw", 1.0, "block_in", subject.blocks[spec.block])
    return Speech(model, subject, prompt, injection, embeds, dtype)


def run_verbalizer(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the verbalizer of the recipe's layer and write it, unless it is there."""
    settings, folder = recipe.verbalizer, folders.reader(NAME)
    if (folder / SIDECAR).exists() or not settings.steps:
        yield Progress(1, 1, "the verbalizer was trained before, or the recipe gives it no steps")
        return
    yield Progress(0, settings.steps, "drawing activations and their texts")
    speech = open_speech(recipe, folders, device=device, dtype=dtype)
    examples = training_examples(recipe, folders, settings.steps * settings.batch, settings.seed)
    tune = tune_examples(recipe, folders, settings.tune, settings.seed)
    step, seconds = 0, 0.0
    optimiser = torch.optim.Adam(factors(speech.model).values(), lr=settings.rate, betas=_BETAS)
    checkpoint = folders.checkpoint(NAME)
    if (state := load_checkpoint(checkpoint, settings, device)) is not None:
        restore(speech.model, state["factors"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]
    drawn = batches(examples, settings.batch, settings.seed)
    for _ in range(step):
        next(drawn)
    saved, smooth = time.monotonic(), 0.0
    while step < settings.steps:
        start = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * rate_factor(step, settings.steps, settings.warmup_steps)
        loss = step_on(speech, examples, next(drawn), optimiser)
        step, smooth = step + 1, loss if smooth == 0.0 else 0.95 * smooth + 0.05 * loss
        seconds += time.monotonic() - start
        if time.monotonic() - saved > settings.checkpoint_seconds or step == settings.steps:
            state = {"factors": factors(speech.model), "optimiser": optimiser.state_dict()}
            save_checkpoint(checkpoint, settings, state | {"step": step, "seconds": seconds})
            saved = time.monotonic()
        yield Progress(step, settings.steps, "training the verbalizer", {"loss": smooth})
    figures = tune_figures(speech, tune)
    sidecar = sidecar_of(recipe, folders, speech.subject, "av")
    write_adapter(speech.model, folder, recipe.name, sidecar)
    write_json(folders.figures(NAME), figures | {"steps": step, "seconds": round(seconds), "rank": settings.rank})
    yield Progress(step, settings.steps, "the verbalizer is written", figures)


def step_on(speech: Speech, examples: Examples, places: NDArray[np.int64], optimiser: torch.optim.Optimizer) -> float:
    """Learn some examples; return the loss in nats a token."""
    sums, lengths = speech.losses(examples.vectors(places), [examples.texts[place] for place in places])
    loss = sums.sum() / lengths.sum()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(factors(speech.model).values(), 1.0)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def tune_figures(speech: Speech, tune: Examples) -> dict[str, float]:
    """Nats a token of the tune documents' texts, under their own activations and under those of other places."""
    return {
        "tune_nll": mean_loss(speech, tune),
        "tune_nll_elsewhere": mean_loss(speech, tune.elsewhere()),
    }


@torch.no_grad()
def mean_loss(speech: Speech, examples: Examples, rows: int = 64) -> float:
    """Nats a token of all texts."""
    total, tokens = 0.0, 0
    for start in range(0, len(examples), rows):
        places = np.arange(start, min(start + rows, len(examples)))
        sums, lengths = speech.losses(examples.vectors(places), [examples.texts[place] for place in places])
        total, tokens = total + float(sums.sum()), tokens + int(lengths.sum())
    return total / max(tokens, 1)
