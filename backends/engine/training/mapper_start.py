"""Where a slotwise mapper begins: each slot predicts the embedding of one of the last tokens from the activation.

The subject learnt to describe a passage that stands between `<|bos|>` and `<|describe|>`. A linear guess at that
passage is already readable, so training starts from there rather than from noise.
"""

import numpy as np
import torch
from torch import Tensor

from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.training.firings import Firings
from backends.engine.training.statistics import sample_places

_PLACES = 60_000


def token_targets(firings: Firings, rows: np.ndarray, positions: np.ndarray, back: int) -> Tensor:
    """Ids of the token `back` places before each position; the first token where the row begins later, [places]."""
    earlier = np.maximum(positions - back, 0)
    return torch.from_numpy(firings.passages.tokens[rows, earlier].astype(np.int64))


def ridge_map(inputs: Tensor, targets: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """W [out, in] and b [out] with targets ~ inputs W^T + b; `ridge` in units of the inputs' mean variance."""
    mean_input, mean_target = inputs.mean(0), targets.mean(0)
    x, y = (inputs - mean_input).double(), (targets - mean_target).double()
    gram = x.T @ x
    gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights = torch.linalg.solve(gram, x.T @ y).T.float()
    return weights, mean_target - weights @ mean_input


@torch.no_grad()
def start_slots(mapper: SoftPromptMapper, firings: Firings, embedding: Tensor, ridge: float, seed: int) -> None:
    """Set matrices, gains and biases of the slots between the first and the last: nearest token last."""
    rows, positions = sample_places(firings.passages.mask(), _PLACES, seed)
    residuals = torch.from_numpy(np.asarray(firings.residuals[rows, positions], dtype=np.float32))
    directions = mapper.direction(residuals)
    for slot in range(1, mapper.card.slots - 1):
        targets = embedding[token_targets(firings, rows, positions, mapper.card.slots - 2 - slot)]
        weights, bias = ridge_map(directions, targets, ridge)
        mapper.matrix[slot] = weights / float(mapper.embedding_norm)
        mapper.bias[slot] = bias
        mapper.gamma[slot] = 1.0
