"""The exact best places of one text among many soft prompts, without finishing what cannot be among them.

The soft prompts are most of the work and all of them are computed; the text goes on two tokens at a time, and only
where the sum of log-probabilities so far, which only falls, still leaves a place among the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood.fused import run_body
from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.one_text import Past, score_text_at
from backends.engine.likelihood.routes import walks
from backends.engine.likelihood.texts import Ids
from backends.engine.likelihood.topk import TIE
from investigator.errors import ScoreError

# Tokens that a text goes on by before the next look at what can still win: one gives products too small to be fast.
_STRIDE = 2


@dataclass(frozen=True)
class BestSources:
    """The best soft prompts found so far; proven where `finished`."""

    sources: Tensor
    """[<= k] indices, best first."""
    scores: Tensor
    """[<= k] log p(text + end) / tokens including the end, float64 on the CPU."""
    tied: Tensor
    """Indices of further ones within TIE of the last."""
    done: int
    """Soft prompts that have been looked at."""
    finished: bool


def best_sources(
    model: LanguageModel, soft: Tensor, ids: Ids, k: int, *, threshold: float = -torch.inf
) -> Iterator[BestSources]:
    """Find the k soft prompts of `[n, slots, d]` under which a text scores best, yielding after each model step.

    What scores below `threshold` by more than TIE may be left out: the k-th best of what was seen before. Raises
    ScoreError where a score is not a number.
    """
    for found in best_of_each(model, soft, [ids], k, thresholds=[threshold]):
        yield found[0]


def best_of_each(
    model: LanguageModel, soft: Tensor, texts: Sequence[Ids], k: int, *, thresholds: Sequence[float] = ()
) -> Iterator[list[BestSources]]:
    """Find the same for each of some texts, for which the soft prompts are computed once."""
    found = [_Best(k, threshold) for threshold in thresholds or [-torch.inf] * len(texts)]
    if not walks(model):
        for best, ids in zip(found, texts, strict=True):
            for places, scores in score_text_at(model, soft, ids):
                best.add(torch.arange(places.start, places.stop), scores)
                yield [each.so_far(0, finished=False) for each in found]
    else:
        block = max(1, tokens_a_step(model) // _STRIDE)
        for start in range(0, len(soft), block):
            for _ in _block(model, soft[start : start + block], list(zip(texts, found, strict=True)), start):
                yield [each.so_far(start, finished=False) for each in found]
    yield [each.so_far(len(soft), finished=True) for each in found]


class _Best:
    """The best so far, and what a soft prompt must come up to."""

    def __init__(self, k: int, threshold: float) -> None:
        self.k, self.threshold = k, threshold
        self.sources = torch.zeros(0, dtype=torch.long)
        self.scores = torch.zeros(0, dtype=torch.float64)

    def add(self, sources: Tensor, scores: Tensor) -> None:
        if bool(scores.isnan().any()):
            raise ScoreError(
                "A score is not a number, so no order can be proven.", "Open the model with dtype float32."
            )
        sources, scores = torch.cat([self.sources, sources]), torch.cat([self.scores, scores])
        if len(scores) >= self.k > 0:
            self.threshold = max(self.threshold, float(scores.topk(self.k).values[-1]))
        kept = scores >= self.threshold - TIE
        self.sources, self.scores = sources[kept], scores[kept]

    def so_far(self, done: int, *, finished: bool) -> BestSources:
        order = self.scores.argsort(descending=True, stable=True)
        sources, scores = self.sources[order], self.scores[order]
        return BestSources(sources[: self.k], scores[: self.k], sources[self.k :], done, finished)


def _block(model: LanguageModel, soft: Tensor, texts: list[tuple[Ids, _Best]], first: int) -> Iterator[None]:
    """Score a block of soft prompts as far as each can still win; yields at each model step."""
    soft = soft.to(model.device, model.dtype)
    past = Past(model)
    yield from past.fill_in_steps(soft[:, :-1])
    for ids, found in texts:
        own = Past(model)
        own.states = list(past.states)
        yield from _follow(model, own, soft[:, -1:], ids, found, first)


def _follow(model: LanguageModel, past: Past, last: Tensor, ids: Ids, found: _Best, first: int) -> Iterator[None]:
    """Score one text after a block's slots, of which the `last` `[n, 1, d]` runs with it; yields at each model step."""
    targets = (*ids, model.eos_id)
    alive, sums = torch.arange(len(last)), torch.zeros(len(last), dtype=torch.float64)
    for start in range(0, len(targets), _STRIDE):
        with torch.inference_mode():
            places = range(start, min(start + _STRIDE, len(targets)))
            sums = sums + _stride(model, past, last[alive.to(last.device)], ids, places)
            # A NaN is kept, so that it is reported.
            kept = ~(sums / len(targets) < found.threshold - TIE)
            alive, sums = alive[kept], sums[kept]
            past.keep(kept)
        yield
        if not len(alive):
            return
    found.add(first + alive, sums / len(targets))


def _stride(model: LanguageModel, past: Past, last: Tensor, ids: Ids, places: range) -> Tensor:
    """Return the sums of some tokens' log-probabilities, `[alive]` on the CPU; place 0 is the last slot."""
    tokens = torch.tensor([ids[place - 1] for place in places if place > 0], device=model.device)
    inputs = model.embed(tokens).to(model.dtype).expand(len(last), -1, -1) if len(tokens) else last[:, :0]
    if places.start == 0:
        inputs = torch.cat([last, inputs], 1)
    positions = torch.arange(past.length, past.length + len(places), device=model.device).expand(len(last), -1)
    hidden = run_body(model, past.read_and_keep, positions, embeds=inputs)
    targets = torch.tensor((*ids, model.eos_id), device=model.device)[places.start : places.stop].repeat(len(last))
    at = torch.arange(len(targets), device=model.device)
    return log_probs(model, hidden.reshape(len(targets), -1), at, targets).view(len(last), -1).sum(-1).cpu()
