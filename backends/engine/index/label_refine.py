"""From an estimate to the best texts: exact scores of the most promising few correct the estimate of all others.

A ridge regression of what the estimate missed, on the texts' features under this source, on their gradients' principal
directions and on their tokens, is fitted again after every round; the next round takes what then looks best.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from backends.engine.index.label_words import Words

# Prior precision of a weight against the noise of one exact score; features are standardised.
_RIDGE = 100.0
# The same for a token's weight, times its share of a text: tokens differ by nats, and a text has some ten of them.
_TOKEN_RIDGE = 0.3
ROUNDS = 6
"""Rounds of exact scoring; later ones know more."""
_FIRST = 0.2
"""Share of all candidates that the first round takes."""


class Refiner:
    """The state of one search: which texts are known exactly, and what that says of the others."""

    def __init__(self, prior: Tensor, features: Tensor, directions: Tensor, offset: Tensor, words: Words) -> None:
        """Start from estimated gaps `[texts]`, standardised features and directions `[texts, *]`, and the texts' words.

        `offset` `[texts]` is added to a gap to make what is ranked: zero for gaps, the means for scores. A text whose
        estimate is not a number is taken first, because only its exact score says anything.
        """
        self._prior, self._words = prior, words
        self._features, self._directions, self._offset = features, directions, offset
        self._known = torch.zeros(len(prior), dtype=torch.bool)
        self._gaps = torch.full_like(prior, torch.nan)
        self.estimate = prior
        """[texts] gaps: exact where known, estimated elsewhere."""

    @property
    def known(self) -> Tensor:
        """[texts] whether a text was scored exactly."""
        return self._known

    def next(self, count: int) -> Tensor:
        """Return indices of the most promising texts that are not known yet, at most `count`, best first."""
        value = torch.nan_to_num(self.estimate + self._offset, nan=torch.inf).masked_fill(self._known, -torch.inf)
        count = min(count, int((~self._known).sum()))
        return value.topk(count).indices

    def learn(self, texts: Tensor, gaps: Tensor) -> None:
        """Take exact gaps of some texts, and estimate all others anew; NaN says that a score failed."""
        self._known[texts] = True
        self._gaps[texts] = gaps.to(self._gaps.dtype)
        rows = self._known.nonzero()[:, 0]
        missed = self._gaps[rows] - self._prior[rows]
        good = torch.isfinite(missed) & torch.isfinite(self._features[rows]).all(1)
        rows, missed = rows[good], missed[good]
        tokens, table = self._words.table(rows)
        dense = torch.cat([self._features[rows], self._directions[rows], torch.ones(len(rows), 1)], dim=1)
        scale = torch.cat([_RIDGE**-0.5 * torch.ones(dense.shape[1]), _TOKEN_RIDGE**-0.5 * torch.ones(len(tokens))])
        weights = scale * _solved(torch.cat([dense, table], dim=1) * scale, missed)
        width = self._features.shape[1]
        moving, still, constant, words = torch.split(weights, [width, self._directions.shape[1], 1, len(tokens)])
        correction = self._features @ moving + self._directions @ still + self._words.sums(tokens, words) + constant
        self.estimate = torch.where(self._known, self._gaps, self._prior + correction)


def _solved(inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the ridge regression's weights `[columns]` of `[rows, columns]`, at a penalty of one."""
    rows, columns = inputs.shape
    wide = rows < columns
    products = (inputs @ inputs.T if wide else inputs.T @ inputs).double()
    products.diagonal().add_(1.0)
    wanted = targets if wide else inputs.T @ targets
    found = torch.cholesky_solve(wanted.double()[:, None], torch.linalg.cholesky(products))[:, 0].float()
    return inputs.T @ found if wide else found


def rounds(candidates: int) -> list[int]:
    """Return how many texts each round scores, `candidates` in all."""
    first = min(candidates, max(1, round(_FIRST * candidates)))
    rest = candidates - first
    edges = [first + rest * step // (ROUNDS - 1) for step in range(ROUNDS)]
    return [first, *(high - low for low, high in pairwise(edges) if high > low)]
