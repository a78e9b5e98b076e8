"""A sentence as a probe: its exact scores at positions, and how they change with the mapper's input there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood import Ids, score_text_at, tokens_a_step
from backends.engine.readers.reader import Reader
from investigator.errors import ScoreError


@dataclass(frozen=True)
class Linear:
    """log p(sentence | x) / tokens near some anchors: `offset + x @ gradient`, the mean of their linearisations."""

    gradient: Tensor
    """`[d]` float32."""
    offset: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the estimate at mapper inputs `[n, d]`, float32 `[n]`."""
        return inputs @ self.gradient + self.offset


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

    def linear(self, anchors: Tensor) -> Iterator[Linear | None]:
        """Linearise at anchors `[n, d]`: yields None after each model step, then the mean over the anchors.

        Raises ScoreError where no anchor has a finite gradient.
        """
        rows = max(1, tokens_a_step(self._subject) // (3 * (self.reader.slots + len(self.ids))))
        total, offset, count = torch.zeros(anchors.shape[1], dtype=torch.float64), 0.0, 0
        for block in anchors.split(rows):
            values, gradients = self._gradients(block)
            good = values.isfinite() & gradients.isfinite().all(1)
            total += gradients[good].double().sum(0)
            offset += float((values - (gradients * block).sum(1))[good].double().sum())
            count += int(good.sum())
            yield None
        if not count:
            raise ScoreError(
                "The sentence has no finite gradient here, so it cannot be searched for.", "Ask with --exact."
            )
        yield Linear((total / count).float(), offset / count)

    def _gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores `[n]` and their gradients `[n, d]`, float32 on the processor."""
        subject, slots = self._subject, self.reader.slots
        with torch.enable_grad():
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
