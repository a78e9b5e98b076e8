"""What an edit does to the next token: KL divergence, and the tokens that move most."""

from __future__ import annotations

import torch
from torch import Tensor

from backends.engine.subject import Subject
from investigator.errors import finite
from investigator.records import Mover


def divergence(before: Tensor, after: Tensor) -> float:
    """Return KL(before || after) in nats of two rows of logits `[vocabulary]`, float64; 0 for equal ones, exactly."""
    p, q = before.log_softmax(-1), after.log_softmax(-1)
    total = float(torch.where(p > -torch.inf, p.exp() * (p - q), 0.0).sum())
    # Rounding alone can leave -1e-17.
    return finite(max(total, 0.0), "The KL divergence")


def movers(subject: Subject, before: Tensor, after: Tensor, count: int) -> tuple[tuple[Mover, ...], tuple[Mover, ...]]:
    """Return the tokens whose probability rises most and falls most; none where nothing changes."""
    p, q = before.softmax(-1), after.softmax(-1)
    change = q - p
    count = min(count, len(change))
    up, down = change.topk(count).indices.tolist(), (-change).topk(count).indices.tolist()
    return (
        tuple(_mover(subject, token, p, q) for token in up if change[token] > 0),
        tuple(_mover(subject, token, p, q) for token in down if change[token] < 0),
    )


def _mover(subject: Subject, token: int, p: Tensor, q: Tensor) -> Mover:
    return Mover(subject.piece(token), float(p[token]), float(q[token]))


def kept(before: list[int], after: list[int]) -> int:
    """Return how many tokens of one continuation come first in another one unchanged."""
    pairs = zip(before, after, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
