"""What the likelihood engine asks of a language model; `Subject` answers it for any transformers causal model."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class LanguageModel(Protocol):
    """A frozen causal language model, body and head apart, in inference mode."""

    @property
    def model(self) -> Any:
        """Return the transformers model: its `config` and its parameters."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Return its tokenizer."""
        ...

    @property
    def device(self) -> torch.device:
        """Return where it runs."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Return its floating point type."""
        ...

    @property
    def context(self) -> int:
        """Return the longest sequence it reads, in tokens."""
        ...

    @property
    def eos_id(self) -> int:
        """Return the end-of-text token."""
        ...

    @property
    def frame(self) -> tuple[str, str]:
        """Return what stands before and after every text, and is scored with it."""
        ...

    def embed(self, ids: Tensor) -> Tensor:
        """Return token embeddings `[.., d]` as the first block sees them."""
        ...

    def body(
        self,
        *,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
    ) -> tuple[Tensor, Any]:
        """Return the hidden states after the final norm `[B, T, d]`, and the cache."""
        ...

    def head(self, hidden: Tensor) -> Tensor:
        """Return logits `[.., vocabulary]`, final softcapping included."""
        ...


# Operations of one step: about 0.1 s on two cores, so that a cancel and the fast lane wait no longer; an accelerator
# is some hundred times faster.
_STEP_OPERATIONS = {"cpu": 8e9}
_STEP_OPERATIONS_ACCELERATOR = 2e12
_FEWEST, _MOST = 32, 8192


def tokens_a_step(model: LanguageModel) -> int:
    """Return how many tokens one model step holds: decided by the model and the device kind, never by free memory."""
    parameters = sum(p.numel() for p in model.model.parameters())
    operations = _STEP_OPERATIONS.get(model.device.type, _STEP_OPERATIONS_ACCELERATOR)
    return int(min(max(operations / (2 * parameters), _FEWEST), _MOST))
