"""Captures of many contexts at once, at some layers only: what a corpus index is made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from backends.engine import blocks as finding
from backends.engine.likelihood import tokens_a_step
from backends.engine.shortage import fewer
from backends.engine.subject import Subject
from investigator.errors import ScoreError


class _Deepest(Exception):
    """Ends a forward pass once the deepest wanted block has spoken."""


def capture_many(
    subject: Subject, contexts: Sequence[Sequence[int]], layers: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """Yield each context's index and its outputs of the layers, float32 `[layers, positions, d]` on the processor.

    Contexts of similar length share a pass, padded on the right, where causal attention never looks; what shares a
    pass depends on the lengths alone. Raises ScoreError where an activation is not finite.
    """
    order = sorted(range(len(contexts)), key=lambda index: len(contexts[index]))
    room, most = tokens_a_step(subject), len(contexts)
    while order:
        taken = 1
        while taken < min(len(order), most) and (taken + 1) * len(contexts[order[taken]]) <= room:
            taken += 1
        batch = order[:taken]
        try:
            found = _capture(subject, [contexts[index] for index in batch], layers)
        except (MemoryError, RuntimeError) as error:
            most = fewer(error, taken)
            continue
        order = order[taken:]
        for row, index in enumerate(batch):
            yield index, _checked(subject, found[:, row, : len(contexts[index])])


def _capture(subject: Subject, contexts: list[Sequence[int]], layers: Sequence[int]) -> Tensor:
    """Return `[layers, rows, positions, d]`."""
    if not subject.in_one_list:
        return _one_by_one(subject, contexts, layers)
    longest = max(map(len, contexts))
    padded = [[*ids, *([subject.eos_id] * (longest - len(ids)))] for ids in contexts]
    kept: dict[int, Tensor] = {}
    thread = threading.get_ident()
    hooks = [subject.blocks[at].register_forward_hook(_keeper(kept, at, max(layers), thread)) for at in layers]
    try:
        with torch.inference_mode():
            subject.body(input_ids=torch.tensor(padded, device=subject.device))
    except _Deepest:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack([kept[layer] for layer in layers])


def _one_by_one(subject: Subject, contexts: list[Sequence[int]], layers: Sequence[int]) -> Tensor:
    longest = max(map(len, contexts))
    found = torch.zeros(len(layers), len(contexts), longest, subject.width)
    for row, ids in enumerate(contexts):
        found[:, row, : len(ids)] = subject.capture(ids)[list(layers)]
    return found


def _keeper(kept: dict[int, Tensor], layer: int, deepest: int, thread: int) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        if threading.get_ident() != thread:
            return
        kept[layer] = finding.first_tensor(output).detach().to(device="cpu", dtype=torch.float32)
        if layer == deepest:
            raise _Deepest

    return hook


def _checked(subject: Subject, found: Tensor) -> Tensor:
    if not bool(torch.isfinite(found).all()):
        raise ScoreError(
            f"The activations of {subject.name} hold NaN or infinity on a text of the corpus.",
            "Open it with dtype float32, or check its weights.",
        )
    return found
