"""Passes through the subject with an edit in them, made by nnsight: prefill, then greedy steps over its own cache.

nnsight and not a hook of ours: a trace says in one place what is changed and what is kept, whatever a family's blocks
return, and its cost is the model's own (29 ms a pass against 27 ms bare, pocket, eight tokens, one busy thread).
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from backends.engine.blocks import first_tensor
from backends.engine.intervening.edits import Edit
from backends.engine.subject import Subject
from investigator.errors import InvestigatorError, ScoreError

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that yields at each step of the model and returns what it found."""


@dataclass(frozen=True)
class Where:
    """Which positions of which block's output are changed, and which block is read."""

    layer: int
    first: int
    end: int
    """One past the last changed position of the prompt."""
    later: bool
    """Whether tokens written after the prompt are changed too."""
    read_layer: int
    read_at: int

    def inside(self, start: int, length: int) -> slice | None:
        """Return the changed part of a pass over `length` positions from `start` on; None where none is."""
        end = start + length if self.later else min(self.end, start + length)
        first = max(self.first, start)
        return slice(first - start, end - start) if first < end else None


@dataclass
class Run:
    """What one edited run gave."""

    logits: Tensor
    """Of the token after the prompt, float64 `[batch, vocabulary]` on the processor."""
    read: Tensor
    """The read block's output at the read position, float32 `[batch, d]`."""
    norm: float
    """Mean L2 norm of what was added over the changed positions of the prompt."""
    written: list[list[int]]
    """Greedy continuation of each row, end-of-text left out."""


class Tracer:
    """One subject under nnsight."""

    def __init__(self, subject: Subject) -> None:
        import nnsight

        self.subject = subject
        names = {id(module): name for name, module in subject.model.named_modules()}
        self._traced: Any = nnsight.NNsight(subject.model)
        self._envoys = [self._traced.get(names[id(block)]) for block in subject.blocks]
        takes = inspect.signature(subject.model.forward).parameters
        # Logits of every position of a long prompt would be as large as the model.
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    def run(self, ids: tuple[int, ...], batch: int, where: Where, edit: Edit | None, count: int) -> Steps[Run]:
        """Run the prompt in `batch` rows with the edit, then write `count` tokens; yields after every pass.

        Raises ScoreError where a pass fails or is not finite.
        """
        rows = torch.tensor([list(ids)] * batch, device=self.subject.device)
        logits, read, norm, cache = self._pass(rows, None, 0, where, edit)
        run = Run(logits, read[:, where.read_at].float().cpu(), norm, [[] for _ in range(batch)])
        yield None
        going, start = [True] * batch, len(ids)
        for _ in range(count):
            best = logits.argmax(-1).tolist()
            going = [on and token not in self.subject.stop_ids for on, token in zip(going, best, strict=True)]
            for row, token in enumerate(best):
                if going[row]:
                    run.written[row].append(token)
            if not any(going):
                break
            rows = torch.tensor([[token] for token in best], device=self.subject.device)
            logits, _, _, cache = self._pass(rows, cache, start, where, edit)
            start += 1
            yield None
        return run

    def _pass(
        self, rows: Tensor, cache: Any, start: int, where: Where, edit: Edit | None
    ) -> tuple[Tensor, Tensor, float, Any]:
        try:
            with torch.inference_mode():
                logits, read, norm, cache = self._trace(rows, cache, start, where, edit)
        except InvestigatorError:
            raise
        except Exception as error:  # nnsight wraps whatever happens inside a trace
            said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ScoreError(f"The edited pass failed: {said}.", "Try a shorter prompt or a smaller dose.") from error
        if not bool(torch.isfinite(logits).all()):
            raise ScoreError("The edited pass gave NaN or infinity.", "Ask with smaller doses.")
        return logits.double().cpu(), read, norm, cache

    def _trace(
        self, rows: Tensor, cache: Any, start: int, where: Where, edit: Edit | None
    ) -> tuple[Tensor, Tensor, float, Any]:
        part = where.inside(start, rows.shape[1]) if edit is not None else None
        changed, read = self._envoys[where.layer], self._envoys[where.read_layer]
        with self._traced.trace(input_ids=rows, past_key_values=cache, use_cache=True, **self._last):
            kept: Any = list().save()  # type: ignore[attr-defined]  # noqa: C408 - nnsight adds save() to objects
            hidden = first_tensor(changed.output)
            norm = _apply(hidden, part, edit)
            seen = hidden if where.read_layer == where.layer else first_tensor(read.output)
            kept.append(seen.clone())
            output = self._traced.output
            kept.append(output.logits[:, -1])
            kept.append(output.past_key_values)
            kept.append(norm)
        return kept[1], kept[0], kept[3], kept[2]


def _apply(hidden: Tensor, part: slice | None, edit: Edit | None) -> float:
    """Change a block's output in place, and return the mean norm of what was added."""
    if part is None or edit is None:
        return 0.0
    delta = edit.delta(hidden[:, part])
    hidden[:, part] += delta.to(device=hidden.device, dtype=hidden.dtype)
    return float(delta.float().norm(dim=-1).mean())
