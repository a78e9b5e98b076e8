"""The frozen parts that later stages read: the subject cut off after a layer, and its sparse autoencoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from backends.engine.blocks import first_tensor
from backends.engine.training.passages import Passages

_TOKENS_A_BATCH = 8192


def autocast(device: str, dtype: str) -> Any:
    """Matrix products in `dtype`; a context manager that does nothing for float32."""
    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=getattr(torch, dtype), enabled=dtype != "float32")


@dataclass(frozen=True)
class TrainedSubject:
    """The language model, frozen; with `layers` it ends after that many blocks."""

    model: PreTrainedModel
    device: str
    dtype: str

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, layers: int | None = None) -> "TrainedSubject":
        """Read the transformers directory; weights are kept in float32."""
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
        if layers is not None:
            keep_blocks(model.base_model, layers)
        return cls(model.requires_grad_(False), device, dtype)

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return int(self.model.config.hidden_size)

    @torch.no_grad()
    def residuals(self, ids: Tensor) -> list[Tensor]:
        """Outputs of every block that is there, each float32 [rows, positions, width]."""
        found: list[Tensor] = []
        hooks = [
            block.register_forward_hook(lambda _m, _i, out: found.append(first_tensor(out))) for block in self.blocks
        ]
        try:
            with autocast(self.device, self.dtype):
                self.model.base_model(input_ids=ids, use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        return [hidden.float() for hidden in found]

    @property
    def blocks(self) -> list[torch.nn.Module]:
        """The transformer blocks, first to last."""
        return list(block_list(self.model.base_model)[1])


def block_list(base: nn.Module) -> tuple[str, nn.ModuleList]:
    """The one list of blocks of a model without its head, and the name it has there."""
    name, blocks = next((name, child) for name, child in base.named_children() if isinstance(child, nn.ModuleList))
    return name, blocks


def keep_blocks(base: nn.Module, count: int) -> None:
    """Cut a model off after its first blocks."""
    name, blocks = block_list(base)
    setattr(base, name, blocks[:count])


def batches_of_rows(passages: Passages, device: str) -> Iterator[tuple[int, int, Tensor]]:
    """(first row, one past the last, ids [rows, longest]) of batches of about 8,192 tokens, in row order."""
    start = 0
    while start < len(passages.tokens):
        longest = int(passages.lengths[start : start + 512].max())
        stop = min(len(passages.tokens), start + max(1, _TOKENS_A_BATCH // longest))
        longest = int(passages.lengths[start:stop].max())
        ids = torch.from_numpy(passages.tokens[start:stop, :longest].astype(np.int64)).to(device)
        yield start, stop, ids
        start = stop
