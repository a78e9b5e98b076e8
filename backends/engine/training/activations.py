"""Residuals of a layer on training rows, in shuffled chunks that do not depend on when a run was interrupted."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backends.engine.training.parts import TrainedSubject
from backends.engine.training.rows import Rows

_ROWS_A_FORWARD = 32


@dataclass(frozen=True)
class ActivationSource:
    """Chunks of residuals [positions, width]; special tokens are left out, because nobody reads a feature there.

    Chunk number n is made of the n-th run of `rows_a_chunk` rows in a seeded order and shuffled with the seed, so
    that a resumed run sees the very batches an uninterrupted one would have.
    """

    subject: TrainedSubject
    rows: Rows
    special: list[int]
    rows_a_chunk: int
    seed: int

    def chunk(self, number: int) -> Tensor:
        """All residuals of one chunk, shuffled; rows are reused in the same order when the chunks outnumber them."""
        order = np.random.default_rng(self.seed).permutation(len(self.rows))
        start = number * self.rows_a_chunk
        chosen = order[np.arange(start, start + self.rows_a_chunk) % len(order)]
        parts = [
            self.residuals(part) for part in np.split(chosen, range(_ROWS_A_FORWARD, len(chosen), _ROWS_A_FORWARD))
        ]
        joined = torch.cat(parts)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        return joined[torch.randperm(len(joined), generator=generator).to(joined.device)]

    def residuals(self, chosen: np.ndarray) -> Tensor:
        """Residuals of the last block that the subject has, on the chosen rows, float32 on the subject's device."""
        ids = torch.from_numpy(self.rows[np.sort(chosen)].astype(np.int64)).to(self.subject.device)
        kept = ~torch.isin(ids, torch.tensor(self.special, device=ids.device))
        return self.subject.residuals(ids)[-1][kept]
