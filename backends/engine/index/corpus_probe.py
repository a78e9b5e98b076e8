"""A sentence as a probe: its exact scores at positions, and how they change with the mapper's input there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood import Ids, score_text_at, tokens_a_step
from backends.engine.readers.reader import Reader
from investigator.errors import ScoreError


@dataclass(frozen=True)
class Linear:
    """log p(sentence | x) / tokens near a point, or in the mean over several: `offset + x @ gradient`."""

    gradient: Tensor
    """`[d]` float32."""
    offset: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the estimate at mapper inputs `[n, d]`, float32 `[n]`."""
        return inputs @ self.gradient + self.offset

    @classmethod
    def mean(cls, parts: Sequence[Linear]) -> Linear:
        """Return the mean of some."""
        gradient = torch.stack([part.gradient for part in parts]).mean(0)
        return cls(gradient, sum(part.offset for part in parts) / len(parts))


class Probe:
    """One sentence under one reader. `inputs` are what the mapper is linear in, float32 `[n, d]` on the processor."""

    def __init__(self, reader: Reader, ids: Ids) -> None:
        self.reader, self.ids = reader, ids
        self._mapper, self._subject = reader.mapper, reader.subject

    def _soft(self, inputs: Tensor) -> Tensor:
        soft: Tensor = self._mapper.prompts(inputs.to(self._subject.device)).to(self._subject.dtype)
        return soft

    def scores(self, inputs: Tensor) -> Iterator[tuple[range, Tensor]]:
        """Score positions exactly, yielding after each model step: which ones, and float64 scores, NaN for failures."""
        room = max(1, tokens_a_step(self._subject))
        for start in range(0, len(inputs), room):
            with torch.inference_mode():
                soft = self._soft(inputs[start : start + room])
            for done, values in score_text_at(self._subject, soft, self.ids):
                yield range(start + done.start, start + done.stop), values

    def slopes(self, anchors: Tensor) -> Iterator[list[Linear]]:
        """Linearise at each of some anchors `[n, d]`, yielding after each step; raise ScoreError where one fails."""
        rows = max(1, tokens_a_step(self._subject) // (3 * (self.reader.slots + len(self.ids))))
        for block in torch.split(anchors, rows):
            values, gradients = self._gradients(block)
            offsets = values - (gradients * block).sum(1)
            if not bool(offsets.isfinite().all() & gradients.isfinite().all()):
                raise ScoreError(
                    "The sentence has no finite gradient, so it cannot be searched for.", "Ask with --exact."
                )
            yield [Linear(gradient, float(offset)) for gradient, offset in zip(gradients, offsets, strict=True)]

    def _gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores `[n]` and their gradients `[n, d]`, float32 on the processor."""
        subject, slots = self._subject, self.reader.slots
        # Whoever drives this may be in inference mode, where nothing can be differentiated.
        with torch.inference_mode(False), torch.enable_grad():
            x = inputs.clone().requires_grad_()
            soft = self._soft(x)
            text = subject.embed(torch.tensor(self.ids)).detach().to(subject.dtype).expand(len(x), -1, -1)
            hidden, _ = subject.body(inputs_embeds=torch.cat([soft, text], 1))
            logits = subject.head(hidden[:, slots - 1 :]).float()
            targets = torch.tensor([*self.ids, subject.eos_id], device=subject.device)
            chosen = logits.gather(-1, targets.expand(len(x), -1)[..., None])[..., 0]
            scores = (chosen - logits.logsumexp(-1)).mean(-1)
            (gradients,) = torch.autograd.grad(scores.sum(), x)
        return scores.detach().float().cpu(), gradients.float().cpu()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._subject.device

    @property
    def blind(self) -> Tensor:
        """The input that says nothing, `[1, d]`: zero, where a mapper's soft prompt is its biases."""
        return torch.zeros(1, self.reader.mapper.card.width)
