"""Finding the decoder blocks of a causal language model, whatever its family calls them."""

from __future__ import annotations

from typing import Any

from torch import nn

from investigator.errors import WorkbenchError

_NORM_NAMES = ("norm", "final_layernorm", "ln_f", "final_layer_norm", "norm_f", "final_norm")


def depth(config: Any) -> int:
    """Return the number of decoder blocks that a (text) configuration names."""
    return int(config.get_text_config().num_hidden_layers)


def find_blocks(model: nn.Module, count: int) -> list[nn.Module]:
    """Return the decoder blocks in order: the children of the largest ModuleList that holds `count` modules.

    Llama, Qwen and Gemma keep them at `model.layers`, GPT-2 at `transformer.h`, GPT-NeoX at `gpt_neox.layers`; wrappers
    with a vision tower hold more lists, of which the language model's is the largest. A model that keeps its blocks as
    plain attributes is searched for `count` siblings of one class. Raises WorkbenchError where there are none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == count]
    groups = [list(found) for found in lists] or _siblings(model, count)
    if not groups:
        raise WorkbenchError(
            f"No {count} decoder blocks were found in a {type(model).__name__}.",
            "Open a causal language model whose blocks stand in one list.",
        )
    return max(groups, key=lambda group: _size(group[0]))


def _siblings(model: nn.Module, count: int) -> list[list[nn.Module]]:
    groups: list[list[nn.Module]] = []
    for parent in model.modules():
        by_class: dict[type[nn.Module], list[nn.Module]] = {}
        for child in parent.children():
            by_class.setdefault(type(child), []).append(child)
        groups += [group for group in by_class.values() if len(group) == count and _size(group[0])]
    return groups


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def find_norm(model: nn.Module, blocks: list[nn.Module]) -> nn.Module:
    """Return the final norm, the module beside the blocks that the head reads through; identity where there is none."""
    for parent in model.modules():
        children = dict(parent.named_children())
        if not any(child is blocks[0] or _holds(child, blocks[0]) for child in children.values()):
            continue
        for name in _NORM_NAMES:
            if name in children:
                return children[name]
    return nn.Identity()


def _holds(module: nn.Module, block: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) and any(child is block for child in module)


def first_tensor(output: Any) -> Any:
    """Return a block's hidden state from its output: a tensor, or the first of a tuple (formats.md, G3)."""
    return output[0] if isinstance(output, (tuple, list)) else output
