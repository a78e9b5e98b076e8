"""The frozen parts that later stages read: the subject cut off after a layer, and its sparse autoencoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from backends.engine.training.passages import Passages

_TOKENS_A_BATCH = 8192


def autocast(device: str, dtype: str) -> Any:
    """Matrix products in `dtype`; a context manager that does nothing for float32."""
    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=getattr(torch, dtype), enabled=dtype != "float32")


@dataclass(frozen=True)
class TrainedSubject:
    """The language model, frozen; with `layers` it ends after that many blocks."""

    model: LlamaForCausalLM
    device: str
    dtype: str

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, layers: int | None = None) -> "TrainedSubject":
        """Read the transformers directory; weights are kept in float32."""
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval().requires_grad_(False)
        if layers is not None:
            model.model.layers = model.model.layers[:layers]
        return cls(model, device, dtype)

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return int(self.model.config.hidden_size)

    @torch.no_grad()
    def residuals(self, ids: Tensor) -> list[Tensor]:
        """Outputs of every block that is there, each float32 [rows, positions, width]."""
        found: list[Tensor] = []
        hooks = [block.register_forward_hook(lambda _m, _i, out: found.append(_tensor(out))) for block in self.blocks]
        try:
            with autocast(self.device, self.dtype):
                self.model.model(input_ids=ids, use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        return [hidden.float() for hidden in found]

    @property
    def blocks(self) -> list[torch.nn.Module]:
        """The transformer blocks, first to last."""
        return list(self.model.model.layers)


def _tensor(output: Any) -> Tensor:
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found


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
