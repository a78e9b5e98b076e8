"""Every text of a plan under every one of a few sources: a walk of the trie, each distinct beginning computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.masks import tree_mask
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.plan import Plan, Step, make_plan
from backends.engine.likelihood.states import Pair, PrefixStates, make_cache, one_prefix, prefix_blocks
from backends.engine.likelihood.texts import Ids


@dataclass(frozen=True)
class GridScores:
    """What one model step finished."""

    sources: range
    texts: Tensor
    """[k] indices of the texts that are now complete."""
    scores: Tensor
    """[len(sources), k] log p(text + end) / tokens including the end, in nats, float64 on the CPU; NaN: it failed."""


class _Walk:
    """The running sums of one block of sources, and the trunk's key/value states."""

    def __init__(self, model: LanguageModel, states: PrefixStates, plan: Plan) -> None:
        self.model, self.states, self.plan = model, states, plan
        self.rows = states.sources
        # One column more than there are nodes: what paths are padded with, always 0.
        self.node_values = torch.zeros(self.rows, plan.trie.size + 1, dtype=torch.float64)
        self.end_values = torch.zeros(self.rows, plan.texts, dtype=torch.float64)
        self.trunk: list[Pair] = []

    def tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array, device=self.model.device)

    def first(self) -> None:
        """Read the values of first tokens off the soft prompts' last slot."""
        nodes = torch.from_numpy(self.plan.first_tokens)
        tokens = torch.from_numpy(self.plan.trie.tokens)[nodes].to(self.model.device)
        at = torch.arange(self.rows, device=self.model.device).repeat_interleave(len(nodes))
        values = log_probs(self.model, self.states.last, at, tokens.repeat(self.rows)).cpu()
        self.node_values[:, nodes] = values.view(self.rows, -1)

    def step(self, step: Step) -> Tensor:
        """Compute one step's nodes for every source; return the texts that it completes."""
        hidden, cache = self._forward(step)
        self._keep(step, cache)
        self._read(step, hidden)
        return torch.from_numpy(step.endings[1])

    def _forward(self, step: Step) -> tuple[Tensor, list[Pair]]:
        slots, sources = self.states.slots, self.rows
        visible = self.tensor(step.visible)
        rows, width, _ = visible.shape
        prefix = torch.ones(rows, width, slots, dtype=torch.bool, device=visible.device)
        keys = slots + self.tensor(step.depths)
        queries = keys[:, -width:]
        keys = torch.cat([torch.arange(slots, device=keys.device).expand(rows, slots), keys], dim=1)
        mask = tree_mask(self.model, torch.cat([prefix, visible], dim=2), queries, keys)
        cache = make_cache(self._past(step))
        hidden, cache = self.model.body(
            input_ids=self.tensor(step.tokens).repeat(sources, 1),
            attention_mask=_repeated(mask, sources),
            position_ids=queries.repeat(sources, 1),
            past_key_values=cache,
            use_cache=True,
        )
        fresh = [(layer.keys[:, :, -width:], layer.values[:, :, -width:]) for layer in cache.layers]
        return hidden.reshape(-1, hidden.shape[-1]), fresh

    def _past(self, step: Step) -> list[Pair]:
        """Return each layer's states of the soft prompt and of the path, for rows ordered source by source."""
        rows = len(step.nodes)
        past = [_spread(pair, rows) for pair in self.states.layers]
        if step.path.shape[1] == 0:
            return past
        fetch = self.tensor(step.fetch)
        return [
            (torch.cat([keys, _fetched(kept_keys, fetch)], 2), torch.cat([values, _fetched(kept_values, fetch)], 2))
            for (keys, values), (kept_keys, kept_values) in zip(past, self.trunk, strict=True)
        ]

    def _keep(self, step: Step, fresh: list[Pair]) -> None:
        """Keep the states of the step's trunk nodes."""
        row, column = torch.from_numpy(step.keep).ge(0).nonzero(as_tuple=True)
        if not len(row):
            return
        place = torch.from_numpy(step.keep)[row, column]
        if not self.trunk:
            self.trunk = [(self._room(keys), self._room(values)) for keys, values in fresh]
        for kept, made in zip(self.trunk, fresh, strict=True):
            for store, states in zip(kept, made, strict=True):
                by_source = states.reshape(self.rows, -1, *states.shape[1:])
                store[:, place] = by_source[:, row, :, column].transpose(0, 1)

    def _room(self, like: Tensor) -> Tensor:
        _, heads, _, size = like.shape
        return like.new_zeros(self.rows, self.plan.trunk, heads, size)

    def _read(self, step: Step, hidden: Tensor) -> None:
        """Read children's and ends' values off the step's logits."""
        children, endings = torch.from_numpy(step.children), torch.from_numpy(step.endings)
        at = torch.cat([children[0], endings[0]])
        tokens = torch.cat([children[2], torch.full_like(endings[0], self.model.eos_id)])
        order = at.argsort(stable=True)
        offsets = step.size * torch.arange(self.rows)[:, None]
        flat = (at[order] + offsets).reshape(-1).to(self.model.device)
        values = log_probs(self.model, hidden, flat, tokens[order].repeat(self.rows).to(self.model.device)).cpu()
        back = torch.empty(self.rows, len(at), dtype=torch.float64)
        back[:, order] = values.view(self.rows, -1)
        self.node_values[:, children[1]] = back[:, : children.shape[1]]
        self.end_values[:, endings[1]] = back[:, children.shape[1] :]

    def scores(self, texts: Tensor) -> Tensor:
        """Return the scores of completed texts, `[sources, k]`; NaN where a value is not finite."""
        paths = torch.from_numpy(self.plan.trie.paths)[texts]
        sums = self.node_values[:, paths].sum(-1) + self.end_values[:, texts]
        scores = sums / torch.from_numpy(self.plan.lengths)[texts]
        return scores.where(scores.isfinite(), torch.nan)


def _spread(pair: Pair, rows: int) -> Pair:
    keys, values = pair
    return (keys, values) if rows == 1 else (keys.repeat_interleave(rows, 0), values.repeat_interleave(rows, 0))


def _fetched(kept: Tensor, fetch: Tensor) -> Tensor:
    """Gather `[sources, trunk, heads, size]` at `[rows, path]` into `[sources * rows, heads, path, size]`."""
    return kept[:, fetch].flatten(0, 1).transpose(1, 2)


def _repeated(mask: object, sources: int) -> object:
    if isinstance(mask, dict):
        return {kind: _repeated(each, sources) for kind, each in mask.items()}
    assert isinstance(mask, Tensor)
    return mask.repeat(sources, 1, 1, 1) if sources > 1 else mask


def _sources_a_step(model: LanguageModel, plan: Plan) -> int:
    return max(1, tokens_a_step(model) // max((step.size for step in plan.steps), default=1))


def score_grid(model: LanguageModel, states: PrefixStates, plan: Plan) -> Iterator[GridScores]:
    """Score every text of the plan under every source, yielding after each model step.

    Each distinct beginning of the texts is computed once a source; closing the generator stops the work.
    """
    width = _sources_a_step(model, plan)
    for start in range(0, states.sources, width):
        block = range(start, min(start + width, states.sources))
        yield from _walk(model, states.slice(block.start, block.stop), plan, block)


def _walk(model: LanguageModel, states: PrefixStates, plan: Plan, block: range) -> Iterator[GridScores]:
    with torch.inference_mode():
        walk = _Walk(model, states, plan)
        walk.first()
    for step in plan.steps:
        with torch.inference_mode():
            texts = walk.step(step)
            done = GridScores(block, texts, walk.scores(texts))
        yield done


def score_many(model: LanguageModel, soft: Tensor, plan: Plan) -> Iterator[GridScores]:
    """Score every text of the plan under each soft prompt `[sources, slots, d]`, its states computed once."""
    begun = 0
    for states in prefix_blocks(model, soft) if len(soft) > 1 else [one_prefix(model, soft)]:
        for done in score_grid(model, states, plan):
            sources = range(begun + done.sources.start, begun + done.sources.stop)
            yield GridScores(sources, done.texts, done.scores)
        begun += states.sources


def grid_table(model: LanguageModel, soft: Tensor, texts: Sequence[Ids]) -> Tensor:
    """Return all scores `[sources, texts]`, float64, without stopping."""
    plan = make_plan(texts, tokens_a_step=tokens_a_step(model))
    table = torch.full((len(soft), len(texts)), torch.nan, dtype=torch.float64)
    for done in score_many(model, soft, plan):
        table[done.sources.start : done.sources.stop, done.texts] = done.scores
    return table
