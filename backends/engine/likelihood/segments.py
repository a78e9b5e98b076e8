"""A trie cut into segments, runs of nodes without a branch, in the order in which they are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.engine.likelihood.trie import Ints, Trie

TAILS = 1 << 30
"""The wave of segments that nothing branches off: after all the trunk of their block."""


@dataclass(frozen=True)
class Segments:
    """Segments ordered by block, wave, length and depth; block 0 is the top, kept throughout."""

    starts: Ints
    """[segments] the first node; the others of the segment follow it in the trie."""
    lengths: Ints
    """[segments] number of nodes."""
    blocks: Ints
    """[segments]."""
    waves: Ints
    """[segments] how many segments stand above it, TAILS for a tail."""

    def part(self, first: int, last: int) -> Segments:
        """Return a stretch of the segments."""
        cut = slice(first, last)
        return Segments(self.starts[cut], self.lengths[cut], self.blocks[cut], self.waves[cut])

    def nodes(self) -> Ints:
        """Return all nodes in order."""
        shift = self.starts - (np.cumsum(self.lengths) - self.lengths)
        found: Ints = np.arange(int(self.lengths.sum())) + np.repeat(shift, self.lengths)
        return found


def make_segments(trie: Trie, room: int) -> Segments:
    """Cut and order a trie so that no more than about `room` trunk nodes, and those of the top, are needed at once."""
    branching = trie.families[np.maximum(trie.parents, 0)] != 1
    starts = np.flatnonzero((trie.parents < 0) | branching)
    lengths = np.diff(np.r_[starts, trie.size])
    inner = trie.families[starts + lengths - 1] > 0
    above = _above(trie, starts)
    blocks = _blocks(trie, starts, lengths, inner, above, room)
    waves = np.where(inner, _levels(above), TAILS)
    order = np.lexsort((trie.depths[starts], lengths, waves, blocks))
    return Segments(starts[order], lengths[order], blocks[order], waves[order])


def _above(trie: Trie, starts: Ints) -> Ints:
    """Return the segment that each segment branches off, -1 for none."""
    parents = trie.parents[starts]
    found: Ints = np.where(parents < 0, -1, np.searchsorted(starts, parents, side="right") - 1)
    return found


def _levels(above: Ints) -> Ints:
    """Return how many segments stand above each."""
    levels = np.zeros(len(above), dtype=np.int64)
    higher = above.copy()
    while (higher >= 0).any():
        levels += higher >= 0
        higher = np.where(higher >= 0, above[higher], -1)
    return levels


def _blocks(trie: Trie, starts: Ints, lengths: Ints, inner: NDArray[np.bool_], above: Ints, room: int) -> Ints:
    """Return each segment's block: 0 where more trunk stands below it than fits, else stretches that fit."""
    kept = np.concatenate([[0], np.cumsum(np.repeat(inner, lengths))])
    below = kept[starts + trie.sizes[starts]] - kept[starts]
    # A stretch ends with the subtree that fills it, so half the room for each keeps both within it.
    room = max(room // 2, 1)
    top = inner & (below > room)
    heads = ~top & np.where(above < 0, True, top[above])
    taken = np.cumsum(np.where(heads, below, 0))
    block = np.where(heads, 1 + (taken - np.where(heads, below, 0)) // room, 0)
    found: Ints = np.where(top, 0, np.maximum.accumulate(block))
    return found
