"""Log-probabilities read off the head: logits exist only a cache-sized chunk at a time."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from backends.engine.likelihood.model import LanguageModel

# Bytes of float32 logits made at once: they stay in a shared cache between the product and the normaliser. With 8,192
# tokens 256 rows took 57 us each on one thread, 128 rows 71; on two threads both took 28.
_CHUNK_BYTES = 8 << 20
_CHUNK_BYTES_ACCELERATOR = 1 << 30
_FEWEST = 16


def chunk_rows(model: LanguageModel) -> int:
    """Return how many positions' logits are made at once."""
    room = _CHUNK_BYTES if model.device.type == "cpu" else _CHUNK_BYTES_ACCELERATOR
    return max(_FEWEST, room // (4 * int(model.model.config.get_text_config().vocab_size)))


def normalisers(logits: Tensor) -> Tensor:
    """Return the log-sum-exp of each row of float32 logits `[rows, vocabulary]`, which are overwritten.

    In place, because `logsumexp` makes copies and takes four times as long, half as long as the product itself.
    """
    highest = logits.amax(-1, keepdim=True)
    return logits.sub_(highest).exp_().sum(-1).log_().add_(highest[:, 0])


def log_probs(model: LanguageModel, hidden: Tensor, at: Tensor, tokens: Tensor) -> Tensor:
    """Return log p(tokens[i] | position at[i]), float64 `[n]` on the device, from final hidden states `[positions, d]`.

    `at` must not fall. The normaliser is a float32 log-sum-exp over the whole vocabulary.
    """
    rows = chunk_rows(model)
    edges = torch.searchsorted(at, torch.arange(0, len(hidden) + rows, rows, device=at.device)).tolist()
    values = torch.empty(len(at), dtype=torch.float64, device=at.device)
    for chunk, (low, high) in enumerate(pairwise(edges)):
        if low < high:
            start = chunk * rows
            logits = model.head(hidden[start : start + rows]).float()
            here = at[low:high] - start
            read = logits[here, tokens[low:high]]
            values[low:high] = read - normalisers(logits)[here]
    return values
