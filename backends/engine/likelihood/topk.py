"""The exact best k texts under one source, without computing what cannot be among them.

Along a path the sum of log-probabilities only falls, so the sum so far over the longest length below bounds every text
below (the end of text counts as a token). Nodes are computed in waves of one depth, the most promising first; a wave
goes down to its last texts before the next begins, so the threshold rises early and states are kept for one line of
waves at a time. Once there is a threshold, sums are bounded from above with a part of the vocabulary, and what may
still be among the best is scored again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backends.engine.likelihood.bounds import Bounds, Floats, gap_bounds, score_bounds
from backends.engine.likelihood.descent import Descent
from backends.engine.likelihood.early import make_early
from backends.engine.likelihood.grid import score_grid
from backends.engine.likelihood.injected import Prompts
from backends.engine.likelihood.memory import HALVED, fewer
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.plan import Plan, make_plan
from backends.engine.likelihood.states import PrefixStates, one_prefix
from backends.engine.likelihood.trie import Ints
from investigator.errors import ScoreError

TIE = 1e-4
"""Scores that differ by less, in nats a token, count as equal."""
# Texts that are scored again together: two model steps of the bundled model.
_AGAIN = 128


@dataclass(frozen=True)
class Top:
    """The best texts found so far; proven where `finished`."""

    texts: Tensor
    """[<= k] indices of the plan's texts, best first."""
    values: Tensor
    """[<= k] their scores, or gaps where means were given, float64."""
    tied: Tensor
    """Indices of further texts within TIE of the last one; complete where `finished`."""
    visited: int
    """Nodes computed so far, candidates included."""
    nodes: int
    """Nodes of the whole trie."""
    finished: bool
    note: str = ""
    """What forced other batches than usual, for the record."""

    @property
    def visited_share(self) -> float:
        """Return the share of the trie's nodes that were computed."""
        return self.visited / max(self.nodes, 1)


def top_k(
    model: LanguageModel,
    source: Prompts | PrefixStates,
    plan: Plan,
    k: int,
    *,
    means: Tensor | Floats | None = None,
    candidates: Ints | Tensor | None = None,
    bounds: Bounds | None = None,
) -> Iterator[Top]:
    """Find the k best texts of a plan under one prompt `[1, slots, d]`, yielding after each model step.

    By score, or by gap where `means` [texts] are given (NaN leaves a text out). `candidates` are texts that are scored
    first, so that their scores seed the threshold. `bounds` are those of `score_bounds` or `gap_bounds`, where they
    were made before. Raises ScoreError where the source or the model gives what is not a number.
    """
    states = source if isinstance(source, PrefixStates) else one_prefix(model, source)
    if bounds is None:
        bounds = score_bounds(plan) if means is None else gap_bounds(plan, np.asarray(means, dtype=np.float64))
    found = _Found(plan, bounds, k)
    descent = Descent(model, states, plan)
    if candidates is not None and len(candidates):
        for _ in _score(descent, found, np.unique(np.asarray(candidates, dtype=np.int64))):
            yield found.top(found.again, finished=False)
    found.forget()
    for _ in _search(descent, found, tokens_a_step(model)):
        yield found.top(descent.visited + found.again, finished=False)
    yield found.top(descent.visited + found.again, finished=True)


class _Found:
    """The texts found so far that may still be among the best."""

    def __init__(self, plan: Plan, bounds: Bounds, k: int) -> None:
        self.plan, self.bounds, self.k = plan, bounds, k
        self.texts = np.zeros(0, dtype=np.int64)
        self.values = np.zeros(0)
        self.threshold = -np.inf
        """What a text must come up to; it only rises."""
        self.note = ""
        self.waiting = np.zeros(0, dtype=np.int64)
        """Texts of which only an upper bound is known, which may be among the best."""
        self.highest = np.zeros(0)
        """[waiting] these bounds."""
        self.again = 0
        """Nodes computed to score single texts: candidates, and those that waited."""

    def wait(self, texts: Ints, scores: Floats) -> None:
        """Take texts with upper bounds of their scores."""
        texts = np.concatenate([self.waiting, texts])
        highest = np.concatenate([self.highest, scores - self.bounds.offsets[texts[len(self.waiting) :]]])
        kept = highest >= self.threshold - TIE
        self.waiting, self.highest = texts[kept], highest[kept]

    def due(self, count: int) -> Ints:
        """Return the most promising texts that wait, at most `count`, which are then waited for no longer."""
        self.wait(self.waiting[:0], self.highest[:0])
        order = np.argsort(-self.highest, kind="stable")
        first, rest = self.waiting[order[:count]], order[count:]
        self.waiting, self.highest = self.waiting[rest], self.highest[rest]
        return first

    def add(self, texts: Ints, scores: Floats) -> None:
        """Take texts with their scores; drop what can no longer be among the best."""
        values = scores - self.bounds.offsets[texts]
        texts, values = np.concatenate([self.texts, texts]), np.concatenate([self.values, values])
        if len(values) >= self.k > 0:
            self.threshold = max(self.threshold, float(np.partition(values, -self.k)[-self.k]))
        kept = values >= self.threshold - TIE
        self.texts, self.values = texts[kept & (values > -np.inf)], values[kept & (values > -np.inf)]

    def forget(self) -> None:
        """Keep the threshold alone: the search finds the texts again."""
        self.texts, self.values = self.texts[:0], self.values[:0]

    def open(self, nodes: Ints, sums: Floats) -> Ints:
        """Return the nodes that may lead to a text among the best, the most promising first."""
        bounds = self.bounds.of(nodes, sums)
        order = np.argsort(-bounds, kind="stable")
        order = order[bounds[order] >= self.threshold - TIE]
        return nodes[order]

    def top(self, visited: int, *, finished: bool) -> Top:
        """Return the best so far."""
        order = np.lexsort((self.texts, -self.values))
        texts, values = torch.from_numpy(self.texts[order]), torch.from_numpy(self.values[order])
        k = min(self.k, len(texts))
        near = values[k:] > values[k - 1] - TIE if k else torch.zeros(len(texts), dtype=torch.bool)
        return Top(texts[:k], values[:k], texts[k:][near], visited, self.plan.trie.size, finished, self.note)


def _score(descent: Descent, found: _Found, texts: Ints) -> Iterator[None]:
    """Score some texts exactly; yields after each model step."""
    model, trie = descent.model, descent.trie
    ids = [tuple(trie.tokens[path[path < trie.size]].tolist()) for path in trie.paths[texts]]
    plan = make_plan(ids, tokens_a_step=tokens_a_step(model))
    for step, done in zip(plan.steps, score_grid(model, descent.states, plan), strict=True):
        found.again += step.size
        found.add(texts[done.texts.numpy()], checked(done.scores[0].numpy()))
        yield


def checked(values: Floats) -> Floats:
    """Return values; raise ScoreError where one is not a number."""
    if np.isnan(values).any():
        raise ScoreError(
            "A label's likelihood is not a number, so no order can be proven.", "Open the model with dtype float32."
        )
    return values


_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _search(descent: Descent, found: _Found, step: int) -> Iterator[None]:
    """Go down the trie, wave by wave; yields after each model step."""
    lines, bounded = [(descent.roots(), 0)], False
    while lines:
        if not bounded and np.isfinite(found.threshold):
            descent.early, bounded = make_early(descent.model, descent.states, descent.trie), True
        nodes, top = lines.pop()
        nodes = found.open(nodes, descent.sums[nodes])
        if not len(nodes):
            continue
        # The first waves are narrow: they are there to raise the threshold.
        wide = descent.wide(nodes, top, step) if np.isfinite(found.threshold) else step
        lines.append((nodes[wide:], top))
        born, place, at = [], top, 0
        while at < min(wide, len(nodes)):
            part = nodes[at : min(at + step, wide)]
            # The threshold may have risen since the wave was cut.
            wave = found.open(part, descent.sums[part])
            try:
                children, texts, scores = descent.compute(wave, place) if len(wave) else _NOTHING
            except (MemoryError, RuntimeError) as error:
                step, found.note = fewer(error, len(part)), HALVED
                continue
            at, place = at + len(part), place + len(wave)
            (found.add if descent.early is None else found.wait)(texts, scores)
            born.append(children)
            yield
        if born:
            lines.append((np.concatenate(born), place))
        yield from _score_waiting(descent, found, at_least=_AGAIN)
    yield from _score_waiting(descent, found, at_least=1)


def _score_waiting(descent: Descent, found: _Found, *, at_least: int) -> Iterator[None]:
    """Score texts that wait, the most promising first, while there are so many."""
    while len(found.waiting) >= at_least:
        texts = found.due(_AGAIN)
        if len(texts):
            yield from _score(descent, found, texts)
