"""Log-probabilities read off the head: logits exist only a cache-sized chunk at a time."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.products import fast_products

# Bytes of float32 logits made at once: they stay in a shared cache between the product and the normaliser. With 8,192
# tokens 256 rows took 57 us each on one thread, 128 rows 71; on two threads both took 28.
_CHUNK_BYTES = 8 << 20
_CHUNK_BYTES_ACCELERATOR = 1 << 30
_FEWEST = 16
# A sum of exponentials in this range lost nothing: no term overflowed, and those that vanished (below 1e-38, at most
# 1e6 of them) are less than 1e-12 of it.
_LEAST_SUM, _MOST_SUM = 1e-20, 1e30


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
            values[low:high] = _read(model, hidden[start : start + rows], at[low:high] - start, tokens[low:high])
    return values


def _read(model: LanguageModel, hidden: Tensor, at: Tensor, tokens: Tensor) -> Tensor:
    """Return a chunk's log-probabilities; only where no shift is needed without one."""
    processor = hidden.device.type == "cpu"
    # A factor on the head's input costs a thirtieth of one on its logits.
    scaled = processor and hidden.dtype == torch.float32 and _is_linear(model)
    logits = _logits(model, hidden * _BASE_2 if scaled else hidden)
    read = logits[at, tokens]
    if not processor:
        return read - normalisers(logits)[at]
    # The base-2 exponential takes a quarter of the other's time on a processor, and the shift another third.
    sums = (logits if scaled else logits.mul_(_BASE_2)).exp2_().sum(-1)
    if bool(((sums > _LEAST_SUM) & (sums < _MOST_SUM)).all()):
        return (read / _BASE_2 if scaled else read) - sums.log_()[at]
    logits = _logits(model, hidden)
    return logits[at, tokens] - normalisers(logits)[at]


_BASE_2 = 1 / math.log(2)


def _is_linear(model: LanguageModel) -> bool:
    """Return whether the head's logits grow in proportion to its input."""
    config = model.model.config.get_text_config()
    biased = getattr(model.model.get_output_embeddings(), "bias", None) is not None
    return not biased and not getattr(config, "final_logit_softcapping", None)


def _logits(model: LanguageModel, hidden: Tensor) -> Tensor:
    with fast_products():
        return model.head(hidden).float()
