"""What a source does to single tokens: log-probabilities after a few beginnings that stand for all of them.

The trie's most shared beginnings give their texts' next tokens exactly; any other token is looked up after a
beginning that ends in the same token. Compared with their means over the background, these say which words a source
makes likely, and where: the part of a score that a gradient taken elsewhere sees worst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from backends.engine.index.label_words import Words, make_words
from backends.engine.likelihood import Ids, LanguageModel, PrefixStates
from backends.engine.likelihood.states import make_cache

SHARED = 64
"""Beginnings that most texts share."""
ENDINGS = 64
"""Beginnings chosen for their last token."""
BOOSTS = 6
"""Number of features that `boosts` makes."""
_NOTHING = -9.0


@dataclass(frozen=True)
class Contexts:
    """Beginnings of texts, and where every token of every text is looked up."""

    beginnings: tuple[Ids, ...]
    shared: int
    """How many of them, the first, are read exactly."""
    exact: Tensor
    """[3, n] int32: text, beginning, token."""
    similar: Tensor
    """[3, n] int32: the same, where the beginning only ends in the same token."""
    other: Tensor
    """[2, n] int32: text, token, wherever neither is known."""
    lengths: Tensor
    """[texts] number of scored tokens, the end included."""

    @cached_property
    def words(self) -> Words:
        """Return which tokens every text has."""
        texts = torch.cat([self.exact[0], self.similar[0], self.other[0]]).long()
        tokens = torch.cat([self.exact[2], self.similar[2], self.other[1]])
        return make_words(texts, tokens, len(self.lengths))


def make_contexts(texts: Sequence[Ids], eos: int) -> Contexts:
    """Choose beginnings for these texts; the same texts give the same ones."""
    shared = _shared(texts)
    after = _endings(texts, set(shared))
    beginnings = (*shared, *after.values())
    place = {ids: index for index, ids in enumerate(shared)}
    ending = {token: len(shared) + index for index, token in enumerate(after)}
    exact: list[tuple[int, int, int]] = []
    similar: list[tuple[int, int, int]] = []
    other: list[tuple[int, int]] = []
    for text, ids in enumerate(texts):
        for at, token in enumerate((*ids, eos)):
            if (found := place.get(ids[:at], -1)) >= 0:
                exact.append((text, found, token))
            elif (found := ending.get(ids[at - 1], -1)) >= 0:
                similar.append((text, found, token))
            else:
                other.append((text, token))
    lengths = torch.tensor([len(ids) + 1 for ids in texts], dtype=torch.float32)
    return Contexts(beginnings, len(shared), _columns(exact, 3), _columns(similar, 3), _columns(other, 2), lengths)


def _columns(rows: list[tuple[int, ...]] | list[tuple[int, int, int]] | list[tuple[int, int]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.int32).reshape(-1, width).T.contiguous()


def _shared(texts: Sequence[Ids]) -> list[Ids]:
    """Return the beginnings, the empty one first, that most texts share."""
    counts = Counter(ids[:at] for ids in texts for at in range(1, len(ids)))
    # By count, then by the tokens themselves: a tie must not depend on the order of a dictionary.
    best = sorted(counts, key=lambda ids: (-counts[ids], ids))[: SHARED - 1]
    return [(), *(ids for ids in best if counts[ids] > 1)]


def _endings(texts: Sequence[Ids], shared: set[Ids]) -> dict[int, Ids]:
    """Return, for the tokens after which most tokens stand that no shared beginning gives, the shortest beginning."""
    counts: Counter[int] = Counter()
    shortest: dict[int, Ids] = {}
    for ids in texts:
        for at in range(1, len(ids) + 1):
            if ids[:at] not in shared:
                counts[ids[at - 1]] += 1
                if at < len(shortest.get(ids[at - 1], ids)) or ids[at - 1] not in shortest:
                    shortest[ids[at - 1]] = ids[:at]
    best = sorted(counts, key=lambda token: (-counts[token], token))[:ENDINGS]
    return {token: shortest[token] for token in best}


def next_tokens(model: LanguageModel, states: PrefixStates, beginnings: Sequence[Ids]) -> Tensor:
    """Return log p(token | soft prompt, beginning) of one soft prompt's states, float32 `[beginnings, vocabulary]`."""
    longest = max(map(len, beginnings))
    hidden = states.last.expand(len(beginnings), -1)
    if longest:
        rows = torch.tensor([[*ids, *([model.eos_id] * (longest - len(ids)))] for ids in beginnings])
        positions = torch.arange(states.slots, states.slots + longest).expand(len(beginnings), -1)
        with torch.inference_mode():
            past = [
                (keys.expand(len(rows), -1, -1, -1), values.expand(len(rows), -1, -1, -1))
                for keys, values in states.layers
            ]
            found, _ = model.body(
                input_ids=rows.to(model.device),
                position_ids=positions.to(model.device),
                past_key_values=make_cache(past),
                use_cache=True,
            )
        lengths = torch.tensor([len(ids) for ids in beginnings], device=model.device)
        read = found[torch.arange(len(rows), device=model.device), (lengths - 1).clamp_min(0)]
        hidden = torch.where((lengths > 0)[:, None], read, hidden)
    with torch.inference_mode():
        return model.head(hidden).float().log_softmax(-1).cpu()


def boosts(contexts: Contexts, raised: Tensor) -> Tensor:
    """Return features `[texts, 6]` of what a source adds to tokens: `raised` `[beginnings, vocabulary]`, nats.

    Per scored token: the sum over tokens read exactly, over those read after the same token, over the others and over
    all inexact ones (these two by the mean over shared beginnings); and the largest single one of the first two.
    """
    texts, average = len(contexts.lengths), raised[: contexts.shared].mean(0)
    exact, similar, other = contexts.exact.long(), contexts.similar.long(), contexts.other.long()
    read, near = raised[exact[1], exact[2]], raised[similar[1], similar[2]]
    rest = _sum(texts, other[0], average[other[1]])
    columns = [
        _sum(texts, exact[0], read),
        _sum(texts, similar[0], near),
        rest,
        rest + _sum(texts, similar[0], average[similar[2]]),
        _largest(texts, exact[0], read),
        _largest(texts, similar[0], near),
    ]
    return torch.stack(columns, 1) / contexts.lengths[:, None]


def _sum(texts: int, at: Tensor, values: Tensor) -> Tensor:
    return torch.zeros(texts).index_add_(0, at, values)


def _largest(texts: int, at: Tensor, values: Tensor) -> Tensor:
    return torch.full((texts,), _NOTHING).scatter_reduce_(0, at, values, "amax")
