"""Finding the decoder blocks of a causal language model, whatever its family calls them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from investigator.errors import WorkbenchError

_NORM_NAMES = ("norm", "final_layernorm", "ln_f", "final_layer_norm", "norm_f", "final_norm")


def depth(config: Any) -> int:
    """Return the number of decoder blocks that a (text) configuration names."""
    return int(config.get_text_config().num_hidden_layers)


def find_blocks(model: nn.Module, count: int) -> tuple[list[nn.Module], bool]:
    """Return the decoder blocks in order, and whether they stand together: a ModuleList or plain siblings.

    Llama, Qwen and Gemma keep them at `model.layers`, GPT-2 at `transformer.h`, GPT-NeoX at `gpt_neox.layers`; wrappers
    with a vision tower hold more lists, of which the language model's is the largest. Without such a list the largest
    group of `count` modules of one class is taken, wherever they stand. Raises WorkbenchError where there is none.
    """
    lists = [list(found) for found in model.modules() if isinstance(found, nn.ModuleList) and len(found) == count]
    siblings = [] if lists else _siblings(model, count)
    groups = lists or [*siblings, *_by_class(model.modules(), count)]
    if not groups:
        raise WorkbenchError(
            f"No {count} decoder blocks were found in a {type(model).__name__}.",
            "Open a causal language model whose blocks stand in one list.",
        )
    blocks = max(groups, key=lambda group: sum(map(_size, group)))
    return blocks, bool(lists) or any(blocks[0] is group[0] for group in siblings)


def _siblings(model: nn.Module, count: int) -> list[list[nn.Module]]:
    return [group for parent in model.modules() for group in _by_class(parent.children(), count)]


def _by_class(modules: Iterable[nn.Module], count: int) -> list[list[nn.Module]]:
    groups: dict[type[nn.Module], list[nn.Module]] = {}
    for module in modules:
        groups.setdefault(type(module), []).append(module)
    return [group for group in groups.values() if 1 < count == len(group) and _size(group[0])]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def find_norm(model: nn.Module, blocks: list[nn.Module]) -> nn.Module:
    """Return the final norm, through which the head reads: of the outermost module that holds blocks and a norm.

    Identity where there is none.
    """
    for parent in model.modules():
        children = dict(parent.named_children())
        name = next((name for name in _NORM_NAMES if name in children), None)
        if name and any(module is blocks[0] for module in parent.modules()):
            return children[name]
    return nn.Identity()


def first_tensor(output: Any) -> Any:
    """Return a block's hidden state from its output: a tensor, or the first of a tuple (formats.md, G3)."""
    return output[0] if isinstance(output, (tuple, list)) else output
