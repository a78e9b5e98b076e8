"""Key/value states of soft prompts, computed once and shared by every text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from backends.engine.likelihood.injected import Injected, Prompts
from backends.engine.likelihood.model import LanguageModel, tokens_a_step

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer, `[rows, heads, tokens, size]`."""


@dataclass(frozen=True)
class PrefixStates:
    """What later tokens need of soft prompts `[sources, slots]`."""

    layers: tuple[Pair, ...]
    last: Tensor
    """[sources, d] final hidden state at the last slot, which predicts a text's first token."""
    slots: int

    @property
    def sources(self) -> int:
        """Return the number of soft prompts."""
        return len(self.last)

    def slice(self, start: int, stop: int) -> PrefixStates:
        """Return the states of some of the soft prompts."""
        layers = tuple((keys[start:stop], values[start:stop]) for keys, values in self.layers)
        return PrefixStates(layers, self.last[start:stop], self.slots)


def make_cache(layers: list[Pair] | tuple[Pair, ...]) -> DynamicCache:
    """Return a cache that holds these states and drops none, whatever window the model has (the mask keeps it)."""
    cache = DynamicCache()
    for index, (keys, values) in enumerate(layers):
        cache.update(keys, values, index)
    return cache


def states_of(cache: DynamicCache) -> tuple[Pair, ...]:
    """Return every layer's keys and values."""
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def bytes_a_source(model: LanguageModel, slots: int) -> int:
    """Return how many bytes one soft prompt's states take, at most (as if every head had its own keys)."""
    config = model.model.config.get_text_config()
    return int(2 * config.num_hidden_layers * slots * config.hidden_size * model.dtype.itemsize)


@torch.inference_mode()
def one_prefix(model: LanguageModel, soft: Prompts) -> PrefixStates:
    """Compute the states of prompts in one pass: soft ones `[sources, slots, d]`, or one with injected vectors."""
    if isinstance(soft, Injected):
        hidden, cache = soft.run(model)
        return PrefixStates(states_of(cache), hidden[:, -1], soft.shape[1])
    mask = torch.ones(soft.shape[:2], dtype=torch.long, device=model.device)
    hidden, cache = model.body(
        inputs_embeds=soft.to(model.device, model.dtype),
        attention_mask=mask,
        past_key_values=DynamicCache(),
        use_cache=True,
    )
    return PrefixStates(states_of(cache), hidden[:, -1], soft.shape[1])


def prefix_blocks(model: LanguageModel, soft: Prompts) -> Iterator[PrefixStates]:
    """Yield the states of soft prompts `[sources, slots, d]`, one step's worth at a time."""
    rows = max(1, tokens_a_step(model) // soft.shape[1])
    for start in range(0, len(soft), rows):
        yield one_prefix(model, soft[start : start + rows])


def join(blocks: list[PrefixStates]) -> PrefixStates:
    """Join blocks along the sources."""
    layers = tuple(
        (torch.cat([keys for keys, _ in layer]), torch.cat([values for _, values in layer]))
        for layer in zip(*(block.layers for block in blocks), strict=True)
    )
    return PrefixStates(layers, torch.cat([block.last for block in blocks]), blocks[0].slots)


def prefix_states(model: LanguageModel, soft: Prompts) -> PrefixStates:
    """Compute the states of soft prompts `[sources, slots, d]`, however many, without stopping."""
    return join(list(prefix_blocks(model, soft)))
