"""One text a source, many pairs at once: training figures, backgrounds of drawn texts, evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.injected import Injected, Prompts, picked
from backends.engine.likelihood.memory import fewer
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.products import fast_products
from backends.engine.likelihood.texts import Ids


@dataclass(frozen=True)
class PairScores:
    """What one model step finished."""

    pairs: Tensor
    """[k] indices of the pairs."""
    scores: Tensor
    """[k] log p(text + end) / tokens including the end, in nats, float64 on the CPU; NaN: it failed."""


def score_pairs(model: LanguageModel, soft: Prompts, texts: Sequence[Ids]) -> Iterator[PairScores]:
    """Score text i under soft prompt i of `[pairs, slots, d]`, yielding after each model step.

    Pairs are sorted by length and padded on the right; texts come without the end, which is scored with them.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    room, most = tokens_a_step(model), len(texts)
    while order:
        batch = _take(order[:most], texts, soft.shape[1], room)
        try:
            with torch.inference_mode():
                done = PairScores(torch.tensor(batch), _scores(model, picked(soft, batch), [texts[i] for i in batch]))
        except (MemoryError, RuntimeError) as error:
            most = fewer(error, len(batch))
            continue
        del order[: len(batch)]
        yield done


def _take(order: list[int], texts: Sequence[Ids], slots: int, room: int) -> list[int]:
    """Return the first indices whose padded batch fits the room, at least one."""
    taken = 1
    while taken < len(order) and (taken + 1) * (slots + len(texts[order[taken]])) <= room:
        taken += 1
    return order[:taken]


def _scores(model: LanguageModel, soft: Prompts, texts: list[Ids]) -> Tensor:
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *([model.eos_id] * (longest - len(text)))] for text in texts], device=model.device)
    embedded = model.embed(ids).to(model.dtype)
    lengths = torch.tensor([len(text) + 1 for text in texts], device=model.device)
    reading = torch.arange(longest + 1, device=model.device)
    slots = soft.shape[1]
    mask = torch.arange(slots + longest, device=model.device) < slots + lengths[:, None] - 1
    if isinstance(soft, Injected):
        with soft.injecting(model):
            hidden, _ = model.body(inputs_embeds=soft.before(model, embedded), attention_mask=mask.long())
    else:
        embeds = torch.cat([soft.to(model.device, model.dtype), embedded], dim=1)
        with fast_products():
            hidden, _ = model.body(inputs_embeds=embeds, attention_mask=mask.long())
    targets = torch.cat([ids, ids.new_full((len(texts), 1), model.eos_id)], dim=1)
    scored = reading < lengths[:, None]
    picked = hidden[:, slots - 1 :][scored]
    values = log_probs(model, picked, torch.arange(len(picked), device=model.device), targets[scored]).cpu()
    sums = torch.zeros(len(texts), dtype=torch.float64).index_add_(0, scored.nonzero()[:, 0].cpu(), values)
    scores = sums / lengths.cpu()
    return scores.where(scores.isfinite(), torch.nan)


def pair_scores(model: LanguageModel, soft: Prompts, texts: Sequence[Ids]) -> Tensor:
    """Return all scores `[pairs]`, float64, without stopping."""
    table = torch.full((len(texts),), torch.nan, dtype=torch.float64)
    for done in score_pairs(model, soft, texts):
        table[done.pairs] = done.scores
    return table
