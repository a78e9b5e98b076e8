"""Additive attention masks for trees, also for models whose attention has a sliding window."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backends.engine.likelihood.model import LanguageModel


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn `[rows, queries, keys]` of booleans into a mask `[rows, 1, queries, keys]` to add to attention logits."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]


def tree_mask(model: LanguageModel, visible: Tensor, queries: Tensor, keys: Tensor) -> Any:
    """Return the mask in the form the model takes: one tensor, or one for each kind of attention layer.

    `visible` [rows, queries, keys]; `queries` and `keys` are positions. A window w lets a query see keys less than w
    positions back; where no key is further, the window changes nothing.
    """
    config = model.model.config
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    full = additive(visible, model.dtype)
    distance = queries[:, :, None] - keys[:, None, :]
    if not window or kinds == {"full_attention"} or int(distance.masked_fill(~visible, 0).max()) < window:
        return full
    windowed = additive(visible & (distance < window), model.dtype)
    return {"full_attention": full, "sliding_attention": windowed} if kinds else windowed
