"""A diverse order of texts: greedy Maximal Marginal Relevance on bigram Jaccard similarity (L2EL, appendix B.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Bigrams = frozenset[tuple[str, ...]]


def bigrams(text: str) -> Bigrams:
    """Return the pairs of neighbouring words, in lower case; a single word stands for itself."""
    words = text.casefold().split()
    if len(words) < 2:
        return frozenset({tuple(words)})
    return frozenset(pairwise(words))


def jaccard(left: Bigrams, right: Bigrams) -> float:
    """Return the share of all bigrams that both have."""
    return len(left & right) / len(left | right)


def normalised(values: Sequence[float]) -> list[float]:
    """Return values moved and scaled to 0..1 (min-max); all 1 where they are equal."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 1.0 for value in values]


def diverse(texts: Sequence[str], values: Sequence[float], *, beta: float, keep: int) -> list[int]:
    """Return the indices of `keep` texts, greedily by beta * value~ - (1 - beta) * max Jaccard to those chosen.

    Equal marks go to the earlier text. `values` are average log-likelihoods, min-max normalised over the pool.
    """
    if not texts:
        return []
    grams, relevance = [bigrams(text) for text in texts], normalised(values)
    nearest = [0.0] * len(texts)
    chosen: list[int] = []
    left = list(range(len(texts)))
    while left and len(chosen) < keep:
        best = max(left, key=lambda i: (beta * relevance[i] - (1 - beta) * nearest[i], -i))
        left.remove(best)
        chosen.append(best)
        for i in left:
            nearest[i] = max(nearest[i], jaccard(grams[i], grams[best]))
    return chosen
