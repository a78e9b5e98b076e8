"""A point at which log p is linearised: the soft prompt's states there, and how they change with the mapper's input.

A text sees the soft prompt only through these states, so that a gradient with respect to them and one product with
this Jacobian give the gradient with respect to the input.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import DynamicCache

from backends.engine.likelihood import LanguageModel, PrefixStates
from backends.engine.likelihood.states import bytes_a_source, states_of
from backends.engine.readers.soft_prompt import SoftPromptMapper

# A Jacobian larger than this is not made: each text's gradient then runs back through the soft prompt itself.
MOST_BYTES = 1 << 30
# Directions at once: they are rows of one batch, and attention without a fused kernel keeps their weights.
_ROWS = 64


@dataclass(frozen=True)
class Anchor:
    """A mapper's input `[d]` with the states of its soft prompt."""

    input: Tensor
    states: PrefixStates
    jacobian: Tensor | None
    """[d, all numbers of the states in order: each layer's keys, values, then the last hidden state]; None where it
    would be too large to keep."""


def make_anchor(model: LanguageModel, mapper: SoftPromptMapper, input: Tensor) -> Anchor:
    """Compute states and Jacobian at one input `[d]`, float32, by forward-mode differentiation."""
    if len(input) * bytes_a_source(model, mapper.card.slots) > MOST_BYTES:
        return Anchor(input, _states(model, mapper, input), None)
    blocks = [_tangents(model, mapper, input, block) for block in _blocks(torch.eye(len(input)))]
    return Anchor(input, _states(model, mapper, input), torch.cat(blocks))


def _blocks(rows: Tensor) -> list[Tensor]:
    return [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]


def _states(model: LanguageModel, mapper: SoftPromptMapper, input: Tensor) -> PrefixStates:
    with torch.no_grad():
        soft = mapper.prompts(input.to(model.device)[None]).to(model.dtype)
        hidden, cache = model.body(inputs_embeds=soft, past_key_values=DynamicCache(), use_cache=True)
    return PrefixStates(states_of(cache), hidden[:, -1], soft.shape[1])


def _tangents(model: LanguageModel, mapper: SoftPromptMapper, input: Tensor, directions: Tensor) -> Tensor:
    """Return the states' derivatives along each of `directions` `[n, d]`, as `[n, numbers]`."""
    at = input.expand(len(directions), -1).contiguous().to(model.device)
    # Fused attention kernels have no forward derivative.
    with torch.no_grad(), warnings.catch_warnings(), forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
        # torch compiles some forward derivatives with what it calls deprecated itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        moving = forward_ad.make_dual(at, directions.to(model.device))  # type: ignore[no-untyped-call]
        soft = mapper.prompts(moving).to(model.dtype)
        hidden, cache = model.body(inputs_embeds=soft, past_key_values=DynamicCache(), use_cache=True)
        parts = [states for pair in states_of(cache) for states in pair] + [hidden[:, -1]]
        return torch.cat([_tangent(part).reshape(len(directions), -1) for part in parts], dim=1)


def _tangent(part: Tensor) -> Tensor:
    tangent: Tensor | None = forward_ad.unpack_dual(part).tangent  # type: ignore[no-untyped-call]
    return torch.zeros_like(part) if tangent is None else tangent
