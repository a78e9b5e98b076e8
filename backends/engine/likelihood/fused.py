"""The blocks of Llama and Qwen2 in float32 on a processor, with fewer and wider steps than the model's own code.

Queries, keys and values are one product, so are both halves of the feed-forward layer; the norms' weights are part of
the products' weights, and so is attention's scaling. Both numbers of a rotated pair stand side by side, so that one
complex product turns queries and keys: keys made here differ from the model's own in their order (`reordered`).
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, unflatten
from torch.nn import functional
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from backends.engine.likelihood.attention import Attend, Heads, adopt, attending
from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.products import packed_product, packed_weight, products_name

_FAMILIES = (LlamaForCausalLM, Qwen2ForCausalLM)
_ROTATIONS = ("default", "linear", "llama3")
# The weights of the blocks exist twice; of a model with more, products are nearly everything anyway.
_MOST_BYTES = 2 << 30
_known: weakref.WeakKeyDictionary[Any, tuple[Any, Fused | None]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def route_name(model: LanguageModel) -> str:
    """Return what provenance records of how products and blocks are computed."""
    blocks = "fused blocks" if fused_of(model) else "the model's blocks"
    return f"{blocks}, {products_name()}" if model.device.type == "cpu" else blocks


def run_body(
    model: LanguageModel, attend: Attend, positions: Tensor, *, ids: Tensor | None = None, embeds: Tensor | None = None
) -> Tensor:
    """Return the final hidden states `[B, T, d]` of tokens `[B, T]` or embeddings, whose attention `attend` computes.

    Keys and values that `attend` sees are in the order of `keys_order`.
    """
    fused = fused_of(model)
    if fused is None:
        adopt(model.model)
        with attending(attend):
            hidden, _ = model.body(input_ids=ids, inputs_embeds=embeds, position_ids=positions)
        return hidden
    if embeds is None:
        assert ids is not None
        embeds = model.embed(ids)
    return fused.run(embeds, positions, attend)


def reordered(model: LanguageModel, keys: Tensor) -> Tensor:
    """Return keys `[.., size]` of the model's own cache as `run_body` makes them."""
    fused = fused_of(model)
    return keys if fused is None else keys[..., fused.order]


def fused_of(model: LanguageModel) -> Fused | None:
    """Return the model's fused blocks, made once for its weights; None where its own code runs."""
    whole = model.model
    if type(whole) not in _FAMILIES or model.device.type != "cpu" or model.dtype != torch.float32:
        return None
    weights = tuple((each.data_ptr(), _version(each)) for each in whole.parameters())
    with _lock:
        if whole not in _known or _known[whole][0] != weights:
            _known[whole] = (weights, _make(whole) if _suits(whole) else None)
        return _known[whole][1]


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version


def _suits(whole: Any) -> bool:
    config = whole.config
    rotation = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    weigh = sum(each.numel() * each.element_size() for each in whole.model.layers.parameters())
    return (
        config.hidden_act == "silu"
        and rotation in _ROTATIONS
        and weigh <= _MOST_BYTES
        and float(getattr(whole.model.rotary_emb, "attention_scaling", 1.0)) == 1.0
        and all(each.dtype == torch.float32 for each in whole.model.parameters())
    )


@dataclass(frozen=True)
class _Product:
    """A weight laid out for its products, and its bias."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return packed_product(x, self.weight, self.bias)


@dataclass(frozen=True)
class _Block:
    """One block's weights."""

    states: _Product
    out: _Product
    gate_up: _Product
    down: _Product
    window: int | None


class Fused:
    """All blocks and the final norm."""

    def __init__(self, whole: Any, blocks: list[_Block], size: int, order: Tensor) -> None:
        config = whole.config
        self.blocks, self.size, self.order = blocks, size, order
        self.heads = int(config.num_attention_heads)
        self.key_heads = int(config.num_key_value_heads)
        self.eps = float(config.rms_norm_eps)
        self._norm, self._rotary = whole.model.norm.weight, whole.model.rotary_emb
        self._turns = torch.empty(0, size // 2, dtype=torch.complex64)

    def run(self, embeds: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Return the final hidden states of embeddings `[B, T, d]` at positions `[B, T]`."""
        rows, length, width = embeds.shape
        x = embeds.reshape(rows * length, width).clone()
        turns = self._turned(positions.expand(rows, length).reshape(-1))
        for layer, block in enumerate(self.blocks):
            x += block.out(self._attended(layer, block, self._normed(x), turns, rows, attend))
            x += block.down(_gated(block.gate_up(self._normed(x))))
        return self._normed(x).mul_(self._norm).view(rows, length, width)

    def _normed(self, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        normed: Tensor = x * length.square_().div_(x.shape[-1]).add_(self.eps).rsqrt_()
        return normed

    def _attended(self, layer: int, block: _Block, x: Tensor, turns: Tensor, rows: int, attend: Attend) -> Tensor:
        states = block.states(x).view(len(x), self.heads + 2 * self.key_heads, self.size)
        turning = unflatten(states[:, : self.heads + self.key_heads], -1, (-1, 2))
        # Written head after head, which the small products of attention want.
        turned = torch.empty(turning.shape[1], len(x), self.size // 2, dtype=torch.complex64)
        torch.mul(torch.view_as_complex(turning).transpose(0, 1), turns, out=turned)
        both = unflatten(torch.view_as_real(turned).flatten(-2), 1, (rows, -1)).transpose(0, 1)
        value = unflatten(states[:, self.heads + self.key_heads :], 0, (rows, -1)).transpose(1, 2)
        heads = Heads(layer, both[:, : self.heads], both[:, self.heads :], value, scaling=1.0, window=block.window)
        return attend(heads).reshape(len(x), -1)

    def _turned(self, positions: Tensor) -> Tensor:
        """Return the unit complex numbers by which each position turns pairs, `[tokens, size / 2]`."""
        turns, needed = self._turns, int(positions.max()) + 1
        if len(turns) < needed:
            every = torch.arange(2 * needed)[None]
            cos, sin = (part[0, :, : self.size // 2] for part in self._rotary(self._norm, every))
            turns = self._turns = torch.complex(cos.contiguous(), sin.contiguous())
        return turns[positions]


def _gated(both: Tensor) -> Tensor:
    gate, up = both.chunk(2, -1)
    return functional.silu(gate).mul_(up)


@torch.inference_mode()
def _make(whole: Any) -> Fused:
    attention = whole.model.layers[0].self_attn
    size = int(attention.head_dim)
    # Both numbers of a pair, half a head apart in the model, side by side.
    order = torch.arange(size).view(2, -1).T.reshape(-1)
    return Fused(whole, [_block(layer, size, order) for layer in whole.model.layers], size, order)


def _block(layer: Any, size: int, order: Tensor) -> _Block:
    own, mlp = layer.self_attn, layer.mlp
    query = _reordered(own.q_proj, order, size, float(own.scaling))
    key = _reordered(own.k_proj, order, size, 1.0)
    value = own.v_proj.weight, own.v_proj.bias
    gate, up = ((each.weight, each.bias) for each in (mlp.gate_proj, mlp.up_proj))
    return _Block(
        _product([query, key, value], layer.input_layernorm.weight),
        _product([(own.o_proj.weight, own.o_proj.bias)]),
        _product([gate, up], layer.post_attention_layernorm.weight),
        _product([(mlp.down_proj.weight, mlp.down_proj.bias)]),
        getattr(own, "sliding_window", None),
    )


_Pair = tuple[Tensor, Tensor | None]


def _reordered(projection: Any, order: Tensor, size: int, scale: float) -> _Pair:
    def turned(part: Tensor) -> Tensor:
        return unflatten(part, 0, (-1, size))[:, order].flatten(0, 1).mul(scale)

    return turned(projection.weight), None if projection.bias is None else turned(projection.bias)


def _product(parts: list[_Pair], norm: Tensor | None = None) -> _Product:
    """Join projections of the same input; the norm before them scales what they are multiplied with."""
    weight = torch.cat([weight for weight, _ in parts])
    biases = [weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in parts]
    bias = None if all(bias is None for _, bias in parts) else torch.cat(biases)
    return _Product(packed_weight(weight if norm is None else weight * norm), bias)
