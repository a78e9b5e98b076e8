"""Every text of a plan under every one of a few sources: a walk of the trie, each distinct beginning computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood.injected import Prompts, picked
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.pairs import score_pairs
from backends.engine.likelihood.plan import Plan, make_plan
from backends.engine.likelihood.routes import walks
from backends.engine.likelihood.states import PrefixStates, one_prefix, prefix_blocks
from backends.engine.likelihood.texts import Ids
from backends.engine.likelihood.walk import Walk


@dataclass(frozen=True)
class GridScores:
    """What one model step finished."""

    sources: range
    texts: Tensor
    """[k] indices of the texts that are now complete."""
    scores: Tensor
    """[len(sources), k] log p(text + end) / tokens including the end, in nats, float64 on the CPU; NaN: it failed."""
    note: str = ""
    """What forced another batch than the plan's, for the record."""


def score_grid(model: LanguageModel, states: PrefixStates, plan: Plan) -> Iterator[GridScores]:
    """Score every text of the plan under every source, yielding after each model step.

    Each distinct beginning of the texts is computed once a source; closing the generator stops the work. Raises
    ScoreError where not even one segment fits the memory.
    """
    width = max(1, tokens_a_step(model) // max((step.size for step in plan.steps), default=1))
    for start in range(0, states.sources, width):
        block = range(start, min(start + width, states.sources))
        yield from _walk(model, states.slice(block.start, block.stop), plan, block)


def _walk(model: LanguageModel, states: PrefixStates, plan: Plan, block: range) -> Iterator[GridScores]:
    with torch.inference_mode():
        walk = Walk(model, states, plan)
        walk.first()
    for step in plan.steps:
        with torch.inference_mode():
            walk.step(step)
            texts = torch.from_numpy(step.texts)
            done = GridScores(block, texts, walk.scores(texts), walk.note)
        yield done


def score_many(model: LanguageModel, soft: Prompts, plan: Plan) -> Iterator[GridScores]:
    """Score every text of the plan under each soft prompt `[sources, slots, d]`, its states computed once."""
    if not walks(model):
        yield from _one_by_one(model, soft, plan)
        return
    begun = 0
    for states in prefix_blocks(model, soft) if len(soft) > 1 else [one_prefix(model, soft)]:
        for done in score_grid(model, states, plan):
            sources = range(begun + done.sources.start, begun + done.sources.stop)
            yield GridScores(sources, done.texts, done.scores, done.note)
        begun += states.sources


def _one_by_one(model: LanguageModel, soft: Prompts, plan: Plan) -> Iterator[GridScores]:
    """Score without sharing anything, for families whose attention cannot be packed."""
    texts = [tuple(plan.trie.tokens[path[path < plan.trie.size]].tolist()) for path in plan.trie.paths]
    for source in range(len(soft)):
        for done in score_pairs(model, picked(soft, [source] * len(texts)), texts):
            yield GridScores(range(source, source + 1), done.pairs, done.scores[None], "texts scored without a trie")


def grid_table(model: LanguageModel, soft: Prompts, texts: Sequence[Ids]) -> Tensor:
    """Return all scores `[sources, texts]`, float64, without stopping."""
    plan = make_plan(texts, tokens_a_step=tokens_a_step(model))
    table = torch.full((len(soft), len(texts)), torch.nan, dtype=torch.float64)
    for done in score_many(model, soft, plan):
        table[done.sources.start : done.sources.stop, done.texts] = done.scores
    return table
