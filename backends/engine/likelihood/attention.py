"""One attention function for every family: outside a walk it is the model's own, inside one the walk computes it.

transformers looks attention up by name in a table, so RoPE, norms, biases and feed-forward layers stay the model's
own code; only what attends to what is ours. The name is set once a model and stays: which function runs is decided a
thread at a time, because other threads may use the same model while a walk is under way.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from backends.engine.likelihood.products import fast_products

_PREFIX = "investigator_"
_local = threading.local()
_lock = threading.Lock()


@dataclass(frozen=True)
class Heads:
    """What one layer's attention is asked: states after RoPE, and the layer's own constants."""

    layer: int
    """Place of the call in the forward pass."""
    query: Tensor
    """[B, heads, T, size]."""
    key: Tensor
    """[B, key heads, T, size]."""
    value: Tensor
    scaling: float
    softcap: float | None = None
    window: int | None = None
    """A query sees keys less than so many positions back."""
    sinks: Tensor | None = None
    """[heads] logits that take part in the softmax and carry no value (gpt-oss)."""


Attend = Callable[[Heads], Tensor]
"""Returns `[B, T, heads, size]`."""


class LastLayerReached(Exception):
    """Ends a forward pass at the last layer's attention, where only its keys and values are wanted."""


class Unsupported(Exception):
    """The family's attention takes something that a walk does not know."""


@contextmanager
def attending(attend: Attend) -> Iterator[None]:
    """Let `attend` compute all attention of this thread, and the faster library its products."""
    _local.attend, _local.layer = attend, 0
    try:
        with fast_products():
            yield
    finally:
        _local.attend = None


def adopt(model: Any) -> None:
    """Route a transformers model's attention through this module, once; its own function goes on as the default."""
    config = model.config.get_text_config()
    with _lock:
        own = own_name(config)
        name = _PREFIX + own
        if config._attn_implementation == name:
            return
        ALL_ATTENTION_FUNCTIONS.register(name, _routed(own))
        ALL_MASK_ATTENTION_FUNCTIONS.register(name, _masked(own))
        config._attn_implementation = name


def own_name(config: Any) -> str:
    """Return the name of a configuration's own attention, whether or not it was adopted."""
    return str(getattr(config, "_attn_implementation", None) or "eager").removeprefix(_PREFIX)


def _routed(own: str) -> Callable[..., Any]:
    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **given: Any) -> Any:
        attend: Attend | None = getattr(_local, "attend", None)
        if attend is None:
            return _own(own, module)(module, query, key, value, mask, **given)
        layer = _local.layer
        _local.layer = layer + 1
        return attend(_heads(layer, query, key, value, given)), None

    return attention


def _heads(layer: int, query: Tensor, key: Tensor, value: Tensor, given: dict[str, Any]) -> Heads:
    if given.get("position_bias") is not None:
        raise Unsupported("position_bias")
    return Heads(
        layer,
        query,
        key,
        value,
        scaling=float(given["scaling"] if given.get("scaling") is not None else query.shape[-1] ** -0.5),
        softcap=given.get("softcap"),
        window=given.get("sliding_window"),
        sinks=given.get("s_aux"),
    )


def _own(own: str, module: Any) -> Callable[..., Any]:
    found: Callable[..., Any] | None = ALL_ATTENTION_FUNCTIONS.get(own)
    return found or sys.modules[type(module).__module__].eager_attention_forward


def _masked(own: str) -> Callable[..., Any]:
    def mask(*args: Any, **given: Any) -> Any:
        # A walk knows what attends to what; a mask of all packed tokens against each other would be built for nothing.
        return (
            None if getattr(_local, "attend", None) is not None else ALL_MASK_ATTENTION_FUNCTIONS[own](*args, **given)
        )

    return mask
