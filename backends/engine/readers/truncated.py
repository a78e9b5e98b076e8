"""The first blocks of a model with nothing after them: what a reconstructor stands on (formats.md, section 1.6)."""

from __future__ import annotations

from typing import Any

from torch import nn

from backends.engine.blocks import find_blocks, find_norm


def truncate(model: Any, blocks: int, *, keeps_norm: bool = False) -> Any:
    """Cut a transformers model, in place, to its first blocks, without final norm unless it keeps it."""
    config = model.config.get_text_config()
    found, _ = find_blocks(model, int(config.num_hidden_layers))
    norm = find_norm(model, found)
    for parent in model.modules():
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ModuleList) and len(child) and child[0] is found[0]:
                setattr(parent, name, nn.ModuleList(list(child)[:blocks]))
            if child is norm and not keeps_norm:
                setattr(parent, name, nn.Identity())
    config.num_hidden_layers = blocks
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:blocks]
    return model
