"""Prompts that differ only in the vectors put into them: what every reader but a soft prompt conditions on.

What stands before the first place of injection is the same for all sources, so it runs once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from backends.engine.likelihood.model import LanguageModel

Operation = Literal["replace", "add", "mix"]
Norm = Literal["raw", "fixed", "matched", "matched mean"]
Site = Literal["embedding", "block_in", "block_out"]
_LEAST_NORM = 1e-12


@dataclass(frozen=True)
class Injection:
    """What is done at the places, whatever the vector is."""

    operation: Operation
    norm: Norm
    scale: float
    site: Site
    block: nn.Module | None
    """The block at whose input or output it is done; None for the embedding."""

    def vectors(self, vectors: Tensor) -> Tensor:
        """Return vectors `[B, n, d]` float32 at their own length; directions where the place decides the length."""
        if self.norm == "raw":
            return vectors * self.scale if self.operation == "add" else vectors
        unit = vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(_LEAST_NORM)
        scaled: Tensor = unit * self.scale if self.norm == "fixed" else unit
        return scaled

    def at(self, here: Tensor, vectors: Tensor) -> Tensor:
        """Return what stands at the places afterwards, `[B, n, d]` float32; `here` is what stood there."""
        if self.norm.startswith("matched"):
            length = here.norm(dim=-1, keepdim=True)
            if self.norm == "matched mean":
                length = length.mean(dim=1, keepdim=True)
            vectors = vectors * length * self.scale
        if self.operation == "add":
            return here + vectors
        if self.operation == "mix":
            return self.scale * vectors + (1 - self.scale) * here
        return vectors.expand_as(here)


@dataclass(frozen=True)
class Injected:
    """One prompt, `[slots, d]` embeddings, with vectors `[sources, n, d]` at some of its positions.

    `n` is 1 (the same vector at every position) or the number of positions. Takes the place of soft prompts
    `[sources, slots, d]` wherever prefix states are computed.
    """

    embeds: Tensor
    vectors: Tensor
    positions: tuple[int, ...]
    """Rising."""
    injection: Injection

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sources, slots and width, as a soft prompt's."""
        slots, width = self.embeds.shape
        return len(self.vectors), slots, width

    def __getitem__(self, key: Any) -> Injected:
        """Return some of the sources: a slice, a mask or indices."""
        return replace(self, vectors=self.vectors[key])

    def states_before(self, model: LanguageModel) -> tuple[int, Any]:
        """Return how many positions stand before the first place, and their cache for every source."""
        first = self.positions[0]
        if first == 0:
            return 0, DynamicCache()
        ones = torch.ones(1, first, dtype=torch.long, device=model.device)
        _, cache = model.body(
            inputs_embeds=self._embeds(model)[None, :first],
            attention_mask=ones,
            past_key_values=DynamicCache(),
            use_cache=True,
        )
        cache.batch_repeat_interleave(len(self))
        return first, cache

    def run(self, model: LanguageModel) -> tuple[Tensor, Any]:
        """Return the final hidden states from the first place on, `[sources, slots - first, d]`, and the whole cache.

        In inference mode only.
        """
        first, cache = self.states_before(model)
        rest = self._embeds(model)[first:].expand(len(self), -1, -1)
        mask = torch.ones(self.shape[:2], dtype=torch.long, device=model.device)
        positions = torch.arange(first, self.shape[1], device=model.device).expand(len(self), -1)
        with self.injecting(model, first):
            return model.body(
                inputs_embeds=self._at_embedding(rest, first),
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )

    def before(self, model: LanguageModel, texts: Tensor) -> Tensor:
        """Return the embeddings of prompts and texts `[sources, tokens, d]`, one after the other."""
        prompts = self._at_embedding(self._embeds(model).expand(len(self), -1, -1), 0)
        return torch.cat([prompts, texts.to(prompts)], dim=1)

    def _embeds(self, model: LanguageModel) -> Tensor:
        return self.embeds.to(model.device, model.dtype)

    def _at_embedding(self, embeds: Tensor, first: int) -> Tensor:
        return self._edited(embeds, first) if self.injection.site == "embedding" else embeds

    def _edited(self, hidden: Tensor, first: int) -> Tensor:
        """Return hidden states `[sources, tokens, d]`, of which the first stands at position `first`, injected into."""
        places = torch.tensor(self.positions, device=hidden.device) - first
        edited = hidden.clone()
        here = hidden[:, places].float()
        vectors = self.injection.vectors(self.vectors.to(hidden.device, torch.float32))
        edited[:, places] = self.injection.at(here, vectors).to(hidden.dtype)
        return edited

    @contextmanager
    def injecting(self, model: LanguageModel, first: int = 0) -> Iterator[list[int]]:
        """Inject at the block during this thread's next pass; yields a list that grows by one each time it is done."""
        done: list[int] = []
        block, thread = self.injection.block, threading.get_ident()
        if block is None:
            yield done
            return

        def before(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if threading.get_ident() != thread:
                return None
            done.append(1)
            if args:
                return (self._edited(args[0], first), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": self._edited(kwargs["hidden_states"], first)}

        def after(_module: Any, _args: Any, output: Any) -> Any:
            if threading.get_ident() != thread:
                return None
            done.append(1)
            if isinstance(output, (tuple, list)):
                return (self._edited(output[0], first), *output[1:])
            return self._edited(output, first)

        hook = (
            block.register_forward_pre_hook(before, with_kwargs=True)
            if self.injection.site == "block_in"
            else block.register_forward_hook(after)
        )
        try:
            yield done
        finally:
            hook.remove()


Prompts = Tensor | Injected
"""What texts are conditioned on: soft prompts `[sources, slots, d]`, or one prompt with injected vectors."""


def picked(prompts: Prompts, sources: Sequence[int]) -> Prompts:
    """Return prompts by their indices, each as often as it is named."""
    return prompts[torch.tensor(list(sources), device=prompts.device if isinstance(prompts, Tensor) else None)]
