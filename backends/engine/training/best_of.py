"""Best of n: one round in which the verbalizer learns from those of its own texts that bring back most.

For some activations it draws several texts; the reconstructor reads each; the text of highest cosine is learned like
any other. Kept only where fidelity on the tune documents rose, since a pair can as well drift into a code of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backends.engine.likelihood.injected import Injected
from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.fidelity import fve, variance_of
from backends.engine.sampling import draw
from backends.engine.training.adapters import factors, restore, write_adapter
from backends.engine.training.checkpoints import load_checkpoint
from backends.engine.training.folders import Folders, write_json
from backends.engine.training.mapper import rate_factor
from backends.engine.training.pair_examples import Examples, batches, training_examples, tune_examples
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import BestOfRecipe, Recipe, RecipeError
from backends.engine.training.reconstructor import Backwards, open_backwards
from backends.engine.training.verbalizer import NAME as VERBALIZER
from backends.engine.training.verbalizer import RECONSTRUCTOR, Speech, open_speech, sidecar_of, step_on

NAME = "best-of"
_TEXT = re.compile(r"<explanation>\s*(.*?)\s*</explanation>", re.DOTALL)
_ROWS = 96
_TEMPERATURE, _TOP_P = 1.0, 0.95


def run_best_of(recipe: Recipe, folders: Folders, *, device: str = "cpu", dtype: str = "float32") -> Stage:
    """Train the verbalizer on the best of its own texts and write it where that helped, unless this was done before."""
    settings, file = recipe.best_of, folders.figures(NAME)
    if file.exists() or not settings.steps or not folders.reader(VERBALIZER).exists():
        yield Progress(1, 1, "the best of its own texts were learned before, or the recipe gives this no steps")
        return
    speech, work = opened_pair(recipe, folders, device=device, dtype=dtype)
    tune = tune_examples(recipe, folders, settings.tune, settings.seed)
    variance = variance_of(tune.vectors(np.arange(len(tune))))
    places = training_examples(recipe, folders, settings.places, settings.seed + 1)
    steps = len(places) + settings.steps
    yield Progress(0, steps, "drawing texts")
    before = fidelity(speech, work, tune, settings, variance)
    best = Examples(places.residuals[:0], [])
    for found in best_texts(speech, work, places, settings):
        if isinstance(found, Examples):
            best = found
        else:
            yield Progress(found, steps, "drawing texts", before)
    for step in learn(speech, best, settings):
        yield Progress(len(places) + step, steps, "learning the best texts")
    after = fidelity(speech, work, tune, settings, variance)
    helped = after["fve"] > before["fve"]
    if helped:
        sidecar = sidecar_of(recipe, folders, speech.subject, "av")
        write_adapter(speech.model, folders.reader(VERBALIZER), recipe.name, sidecar)
    figures = {"before": before, "after": after, "texts": len(best), "kept": helped, "variance": variance}
    write_json(file, figures)
    told = {"fve_before": before["fve"], "fve_after": after["fve"], "kept": float(helped)}
    yield Progress(steps, steps, "the best of its own texts are learned", told)


def opened_pair(recipe: Recipe, folders: Folders, *, device: str, dtype: str) -> tuple[Speech, Backwards]:
    """Both models as their training left them; raises RecipeError where a checkpoint is gone."""
    speech = open_speech(recipe, folders, device=device, dtype=dtype)
    work = open_backwards(recipe, folders, device=device, dtype=dtype)
    restore(speech.model, _state(folders, VERBALIZER, recipe.verbalizer, device)["factors"])
    state = _state(folders, RECONSTRUCTOR, recipe.reconstructor, device)
    restore(work.model, state["factors"])
    work.head.data.copy_(state["head"])
    return speech, work


def _state(folders: Folders, name: str, section: object, device: str) -> dict[str, Any]:
    state = load_checkpoint(folders.checkpoint(name), section, device)  # type: ignore[arg-type]
    if state is None:
        raise RecipeError(f"The {name}'s checkpoint is not in {folders.work}. Train it again before this.")
    return state


def spoken(speech: Speech, vectors: Tensor, settings: BestOfRecipe, *, temperature: float, seed: int) -> list[str]:
    """One text for each activation `[n, width]`; empty where none was closed within the most tokens."""
    subject = speech.subject
    with torch.inference_mode():
        prompts = Injected(speech.embeds, vectors[:, None], speech.prompt.positions, speech.injection)
        prefix = one_prefix(subject, prompts)
    texts = [""] * len(vectors)
    several = draw(
        subject,
        prefix,
        samples=len(vectors),
        temperature=temperature,
        top_p=_TOP_P,
        max_tokens=settings.most_tokens,
        seed=seed,
    )
    for done in several:
        for one in done:
            found = _TEXT.search(subject.decode(one.ids))
            texts[one.row] = found.group(1) if found else ""
    return texts


@torch.no_grad()
def cosines(work: Backwards, texts: list[str], vectors: Tensor) -> Tensor:
    """How far each text's reconstruction points the activation's way, `[n]`; -1 for an empty text."""
    back = work.vectors([text or "." for text in texts]).cpu()
    found = torch.nn.functional.cosine_similarity(back, vectors, dim=-1)
    return found.where(torch.tensor([bool(text) for text in texts]), torch.tensor(-1.0))


def fidelity(
    speech: Speech, work: Backwards, tune: Examples, settings: BestOfRecipe, variance: float
) -> dict[str, float]:
    """Mean fve at the tune places of a drawn text (closed ones only), of another place's text, of the mean vector."""
    vectors = tune.vectors(np.arange(len(tune)))
    parts = [vectors[at : at + _ROWS] for at in range(0, len(vectors), _ROWS)]
    texts = [
        text
        for at, part in enumerate(parts)
        for text in spoken(speech, part, settings, temperature=_TEMPERATURE, seed=settings.seed + at)
    ]
    closed = [place for place, text in enumerate(texts) if text]
    said, here = [texts[place] for place in closed], vectors[closed]
    own, other = (float(cosines(work, said, v).mean()) if said else 0.0 for v in (here, here.roll(len(here) // 2, 0)))
    mean = torch.nn.functional.normalize(vectors, dim=-1).mean(0, keepdim=True)
    at_mean = float(torch.nn.functional.cosine_similarity(mean, vectors, dim=-1).mean())
    named = {"fve": own, "fve_elsewhere": other, "fve_mean": at_mean}
    return {name: fve(value, variance) or 0.0 for name, value in named.items()} | {
        "closed": len(closed) / max(len(texts), 1)
    }


def best_texts(speech: Speech, work: Backwards, places: Examples, settings: BestOfRecipe) -> Iterator[int | Examples]:
    """Yield how many activations were read, then for each the drawn text of highest cosine, where any was closed."""
    rows, texts = [], []
    for at in range(0, len(places), _ROWS):
        some = np.arange(at, min(at + _ROWS, len(places)))
        vectors = places.vectors(some)
        seeds = (settings.seed * 1_000_003 + at * settings.texts + number for number in range(settings.texts))
        several = [spoken(speech, vectors, settings, temperature=_TEMPERATURE, seed=seed) for seed in seeds]
        scores = torch.stack([cosines(work, each, vectors) for each in several])
        for place, (score, best) in enumerate(zip(*map(Tensor.tolist, scores.max(0)), strict=True)):
            if score > -1.0:
                rows.append(int(some[place]))
                texts.append(several[best][place])
        yield int(some[-1]) + 1
    yield Examples(places.residuals[rows], texts)


def learn(speech: Speech, best: Examples, settings: BestOfRecipe) -> Iterator[int]:
    """Take the steps; yields how many were taken."""
    if not len(best):
        return
    optimiser = torch.optim.Adam(factors(speech.model).values(), lr=settings.rate)
    for step, chosen in enumerate(itertools.islice(batches(best, settings.batch, settings.seed), settings.steps)):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * rate_factor(step, settings.steps, settings.warmup_steps)
        step_on(speech, best, chosen, optimiser)
        yield step + 1
