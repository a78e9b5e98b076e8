"""Fitting an index's estimate to exact rankings, and measuring on others how much of the truth it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.index.label_card import Recall
from backends.engine.index.label_contexts import Contexts, next_tokens
from backends.engine.index.label_estimate import Linearised, all_features
from backends.engine.index.label_features import Ridge, RidgeFit
from backends.engine.index.label_refine import Refiner, rounds
from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.reader import Reader
from backends.engine.readers.soft_prompt import SoftPromptMapper

TOP = 50
"""How many rows recall is measured on, where there are many more texts."""
WANTED = 0.96
"""Recall that the number of candidates is chosen for: a margin over the 0.95 that is promised."""
_SHARES = (0.005, 0.01, 0.015, 0.02, 0.03, 0.035, 0.04, 0.045, 0.05, 0.065, 0.08, 0.1, 0.15, 0.25)
_FEWEST = 256
# Weight of the estimate's spread against the exact scores of a few sources, in sources.
_SPREAD_PRIOR = 8.0


@dataclass(frozen=True)
class Sources:
    """Vectors with exact scores of all texts."""

    vectors: Tensor
    """[n, d] activations."""
    scores: Tensor
    """[n, texts] exact, nats per token, float32; NaN where one failed."""


@dataclass(frozen=True)
class Fitted:
    """What a calibration gives."""

    means: Tensor
    spreads: Tensor
    first: Ridge
    full: Ridge


class Calibration:
    """Knows the background and makes features of it, one position at a time."""

    def __init__(self, reader: Reader, linearised: Linearised, contexts: Contexts, directions: Tensor) -> None:
        self.reader, self.linearised, self.contexts, self.directions = reader, linearised, contexts, directions
        self.usual = torch.zeros(0)
        """[beginnings, vocabulary], known once `measure_usual` has run."""

    @property
    def _mapper(self) -> SoftPromptMapper:
        return self.reader.mapper

    def input_of(self, vector: Tensor) -> Tensor:
        """Return the mapper's input `[d]` of an activation."""
        with torch.inference_mode():
            return self._mapper.inputs(vector[None].to(self.reader.subject.device, torch.float32))[0].cpu().clone()

    def _tokens(self, vector: Tensor) -> Tensor:
        states = one_prefix(self.reader.subject, self.reader.soft(vector[None]))
        return next_tokens(self.reader.subject, states, self.contexts.beginnings)

    def measure_usual(self, background: Tensor) -> Iterator[int]:
        """Average next tokens over background activations `[n, d]`; yields how many are done."""
        total = None
        for done, vector in enumerate(background, 1):
            found = self._tokens(vector)
            total = found if total is None else total + found
            yield done
        assert total is not None
        self.usual = total / len(background)

    def features(self, vector: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of the first and of the full estimate at an activation."""
        plain = self.linearised.features(self.input_of(vector), means)
        return plain, all_features(plain, self.contexts, self._tokens(vector) - self.usual)

    def fit(self, sources: Sources, means: Tensor) -> tuple[Ridge, Ridge]:
        """Fit both estimates to exact gaps."""
        fits: tuple[RidgeFit, RidgeFit] | None = None
        for vector, scores in zip(sources.vectors, sources.scores, strict=True):
            plain, full = self.features(vector, means)
            fits = fits or (RidgeFit(plain), RidgeFit(full))
            fits[0].add(plain, scores - means)
            fits[1].add(full, scores - means)
        assert fits is not None
        return fits[0].solve(), fits[1].solve()

    def estimated_background(self, sources: Sources, background: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and spreads over a background `[n, d]` of which only the sources were scored exactly.

        The mean over the sources is moved by what the fitted estimate says that the whole background has more than
        they (a control variate, its coefficient by least squares); the spread is the sources' own, shrunk towards the
        estimate's, which is first brought to the same size.
        """
        means = sources.scores.mean(0)
        _, full = self.fit(sources, means)
        here = torch.stack([full(self.features(vector, means)[1]) for vector in sources.vectors])
        everywhere = torch.stack([full(self.features(vector, means)[1]) for vector in background])
        exact, seen = sources.scores - means, here - here.mean(0)
        good = torch.isfinite(exact) & torch.isfinite(seen)
        share = float((exact[good] * seen[good]).sum() / seen[good].square().sum().clamp_min(1e-12))
        own, said = exact.var(0, correction=min(1, len(exact) - 1)), everywhere.var(0, correction=0)
        size = float(own[good.all(0)].mean() / said[good.all(0)].mean().clamp_min(1e-12))
        pooled = (len(exact) * own + _SPREAD_PRIOR * size * said) / (len(exact) + _SPREAD_PRIOR)
        return means + share * (everywhere.mean(0) - here.mean(0)), pooled.sqrt()

    def recall(self, fitted: Fitted, held: Sources, *, by_score: bool) -> Recall:
        """Measure on held-out sources what the first estimate and the search find of the true top rows."""
        texts = len(fitted.means)
        top = max(1, min(TOP, texts // 10))
        offset = fitted.means if by_score else torch.zeros_like(fitted.means)
        first, searches = [], []
        for vector, scores in zip(held.vectors, held.scores, strict=True):
            gaps = scores - fitted.means
            best = torch.nan_to_num(gaps + offset, nan=-torch.inf).topk(top).indices
            plain, full = self.features(vector, fitted.means)
            guess = torch.nan_to_num(fitted.first(plain) + offset, nan=-torch.inf).topk(top).indices
            first.append(float(torch.isin(best, guess).float().mean()))
            start = (fitted.full(full), fitted.full.standardised(full), self.directions, offset, self.contexts.words)
            searches.append((start, gaps, best))
        # The fewest that find what is wanted: the more are tried, the longer each try takes.
        for share in _SHARES:
            budget = min(texts, max(_FEWEST, round(share * texts)))
            found = [_searched(Refiner(*start), gaps, budget)[best].float().mean() for start, gaps, best in searches]
            rescored = float(torch.stack(found).mean())
            # Half a row's slack, because shares are rounded.
            if rescored >= WANTED - 0.5 / (top * len(searches)):
                break
        return Recall(top=top, estimate=sum(first) / len(first), rescored=rescored, candidates=budget)


def _searched(refiner: Refiner, gaps: Tensor, budget: int) -> Tensor:
    """Run a search against known exact gaps; return [texts] which ones it scored."""
    for count in rounds(budget):
        texts = refiner.next(count)
        refiner.learn(texts, gaps[texts])
    return refiner.known
