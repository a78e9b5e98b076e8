"""What a text that begins so can score at most: sums of log-probabilities only fall along a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.engine.likelihood.plan import Plan
from backends.engine.likelihood.trie import Ints, Trie

Floats = NDArray[np.float64]
# Distinct lengths that get a column of their own; beyond these, neighbours share one.
_COLUMNS = 24


@dataclass(frozen=True)
class Bounds:
    """For each node, by the length of the texts below it, the least that is taken off their scores."""

    lengths: Floats
    """[columns] numbers of scored tokens, the end included."""
    least: Floats
    """[nodes, columns] smallest mean of the texts of this length below; infinite where there are none."""
    offsets: Floats
    """[texts] what is taken off each text's score: 0, or its mean; infinite for a text that has none."""

    def of(self, nodes: Ints, sums: Floats) -> Floats:
        """Return upper bounds of everything below nodes whose log-probabilities so far sum to `sums`."""
        if len(self.lengths) == 0:
            return np.full(len(nodes), -np.inf)
        found: Floats = (sums[:, None] / self.lengths - self.least[nodes]).max(1)
        return found


@dataclass(frozen=True)
class LongestBounds(Bounds):
    """The same where nothing is taken off: only the longest text below counts."""

    longest: Floats
    """[nodes]."""

    def of(self, nodes: Ints, sums: Floats) -> Floats:
        """Return upper bounds of everything below nodes whose log-probabilities so far sum to `sums`."""
        found: Floats = sums / self.longest[nodes]
        return found


def score_bounds(plan: Plan) -> Bounds:
    """Return the bounds of average log-probabilities."""
    longest = np.zeros(plan.trie.size)
    np.maximum.at(longest, plan.trie.ends, plan.lengths)
    _up(plan.trie, longest, np.maximum)
    nothing = np.zeros((0, 0))
    return LongestBounds(np.zeros(0), nothing, np.zeros(plan.texts), longest)


def gap_bounds(plan: Plan, means: Floats) -> Bounds:
    """Return the bounds of gaps, scores less the texts' `means` [texts]; a text whose mean is NaN is left out."""
    offsets = np.where(np.isfinite(means), means, np.inf).astype(np.float64)
    column, lengths = _columns(plan.lengths)
    least = np.full((plan.trie.size, len(lengths)), np.inf)
    np.minimum.at(least, (plan.trie.ends, column), offsets)
    _up(plan.trie, least, np.minimum)
    return Bounds(lengths, least, offsets)


def _columns(lengths: Ints) -> tuple[Ints, Floats]:
    """Return each text's column, and the columns' lengths: the longest in each, so that bounds hold."""
    distinct, found = np.unique(lengths, return_inverse=True)
    shared = np.arange(len(distinct)) * min(_COLUMNS, len(distinct)) // max(len(distinct), 1)
    longest = np.zeros(int(shared.max(initial=-1)) + 1)
    np.maximum.at(longest, shared, distinct)
    return shared[found], longest


def _up(trie: Trie, table: Floats, best: np.ufunc) -> None:
    """Let every node know what its children know."""
    for nodes in reversed(trie.by_depth[1:]):
        best.at(table, trie.parents[nodes], table[nodes])
