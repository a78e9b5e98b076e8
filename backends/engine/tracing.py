"""nnsight, the fallback: captures of models whose blocks stand in no one list.

A plain hook would serve there too, but could not know that modules found by their class alone run in the order in
which they were found; nnsight raises where they do not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backends.engine.blocks import first_tensor
from investigator.errors import WorkbenchError


def trace_blocks(model: nn.Module, blocks: list[nn.Module], ids: list[int], device: torch.device) -> list[Tensor]:
    """Return the outputs `[positions, d]` of the blocks in one traced pass; raise WorkbenchError out of order."""
    import nnsight

    traced = nnsight.NNsight(model)
    names = {id(module): name for name, module in model.named_modules()}
    envoys = [traced.get(names[id(block)]) for block in blocks]
    prompt = torch.tensor([ids], device=device)
    try:
        with traced.trace(prompt):
            saved: Any = list().save()  # type: ignore[attr-defined]  # noqa: C408 - nnsight adds save() to objects
            for envoy in envoys:
                saved.append(envoy.output)
    except Exception as error:  # nnsight wraps whatever happens inside a trace
        raise WorkbenchError(
            f"The blocks of a {type(model).__name__} could not be traced in their order.",
            "Open a causal language model whose blocks stand in one list.",
        ) from error
    return [first_tensor(output)[0].detach() for output in saved]
