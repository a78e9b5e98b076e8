"""The batch plan of a trie: which nodes are computed together, each of them once.

The trie is cut into segments, runs of nodes without a branch. Segments that something branches off are the trunk, whose
key/value states are kept; the others, most nodes, are tails that belong to one text. A block is a stretch of the trie
whose trunk fits the room: its trunk runs level by level, then all its tails, then its room is used again. Nothing here
depends on time or free memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from backends.engine.likelihood.segments import TAILS, Segments, make_segments
from backends.engine.likelihood.texts import Ids
from backends.engine.likelihood.trie import Ints, Trie, make_trie

# 16,384 nodes of the bundled model (12 KiB each in float32) take 192 MiB.
TRUNK = 16384
END = -1
"""Stands for the end-of-text token where values are read."""


@dataclass(frozen=True)
class Group:
    """Segments of one length that stand together in a step; they attend to the trunk and to themselves."""

    start: int
    """The first one's place in the step."""
    length: int
    fetch: Ints
    """[rows, most ancestors] the ancestors' places in the kept trunk, 0 where there are fewer."""
    depths: Ints
    """[rows] how many ancestors each has."""

    @property
    def rows(self) -> int:
        """Return the number of segments."""
        return len(self.depths)


@dataclass(frozen=True)
class Step:
    """One forward pass over packed segments, without padding."""

    nodes: Ints
    """[positions]."""
    tokens: Ints
    """[positions] the nodes' tokens."""
    depths: Ints
    """[positions] the nodes' depths."""
    groups: tuple[Group, ...]
    keep: int
    """Place in the kept trunk of the first node, the others follow; -1 where nothing is kept."""
    reads: Ints
    """[3, n] place in the step, token (END: end of text) and what to read: a child node, or nodes + 1 + text."""
    texts: Ints
    """Texts that are complete after it."""

    @property
    def size(self) -> int:
        """Return the number of positions computed."""
        return len(self.nodes)


@dataclass(frozen=True)
class Plan:
    """The steps of one trie, in order."""

    trie: Trie
    steps: tuple[Step, ...]
    trunk: int
    """Number of nodes whose key/value states are kept at once."""
    lengths: Ints
    """[texts] number of scored tokens, the end included."""
    tokens_a_step: int

    @property
    def texts(self) -> int:
        """Return the number of texts."""
        return len(self.lengths)

    @cached_property
    def first_tokens(self) -> Ints:
        """Return the nodes that are texts' first tokens: their values are read off the soft prompt's last slot."""
        found: Ints = np.flatnonzero(self.trie.parents < 0)
        return found

    @cached_property
    def name(self) -> str:
        """Return what provenance records: sizes, and a digest of the order of nodes."""
        digest = hashlib.blake2b(digest_size=6)
        for step in self.steps:
            digest.update(step.nodes.tobytes())
        counts = f"steps={len(self.steps)} nodes={self.trie.size} trunk={self.trunk}"
        return f"trie {self.tokens_a_step} nodes a step {counts} {digest.hexdigest()}"


def make_plan(texts: Sequence[Ids], *, tokens_a_step: int, trunk: int = TRUNK) -> Plan:
    """Plan the scoring of non-empty texts in steps of about `tokens_a_step` nodes, keeping about `trunk` at a time."""
    trie = make_trie(texts)
    segments = make_segments(trie, trunk)
    nodes = segments.nodes()
    place = _places(trie, segments, nodes)
    cuts = _cuts(segments, tokens_a_step)
    edges = np.concatenate([[0], np.cumsum(segments.lengths)])[cuts]
    reads = _reads(trie, nodes, edges)
    stretches = zip(pairwise(cuts), pairwise(edges), reads, strict=True)
    steps = [
        _step(trie, segments.part(first, last), nodes[begin:end], place, found)
        for (first, last), (begin, end), found in stretches
    ]
    lengths = np.fromiter((len(ids) + 1 for ids in texts), dtype=np.int64, count=len(texts))
    return Plan(trie, tuple(steps), int(place.max(initial=-1)) + 1, lengths, tokens_a_step)


def _places(trie: Trie, segments: Segments, nodes: Ints) -> Ints:
    """Return each node's place in the kept trunk, -1 for those of tails: the top's first, then each block's anew."""
    block = np.repeat(segments.blocks, segments.lengths)
    inner = np.repeat(segments.waves, segments.lengths) < TAILS
    counts = np.cumsum(inner)
    starts = np.searchsorted(block, np.arange(block.max(initial=0) + 1))
    before = np.concatenate([[0], counts])[starts]
    top = int(inner[block == 0].sum())
    place = np.full(trie.size, -1, dtype=np.int64)
    place[nodes] = np.where(inner, counts - 1 - before[block] + np.where(block > 0, top, 0), -1)
    return place


def _cuts(segments: Segments, room: int) -> Ints:
    """Return where steps begin, in segments, and the end: equal shares of each wave."""
    run = np.stack([segments.blocks, segments.waves])
    if not run.size:
        return np.zeros(1, dtype=np.int64)
    if not run.size:
        return np.zeros(1, dtype=np.int64)
    begins = np.flatnonzero(np.r_[True, (run[:, 1:] != run[:, :-1]).any(0)])
    before = np.concatenate([[0], np.cumsum(segments.lengths)])
    cuts = []
    for first, last in zip(begins, [*begins[1:], len(segments.lengths)], strict=True):
        total = before[last] - before[first]
        share = total / -(-total // room)
        index = ((before[first:last] - before[first]) / share).astype(np.int64)
        cuts.append(first + np.flatnonzero(np.r_[True, index[1:] != index[:-1]]))
    return np.concatenate([*cuts, [len(segments.lengths)]]).astype(np.int64)


def _reads(trie: Trie, nodes: Ints, edges: Ints) -> list[Ints]:
    """Return each step's reads, in the order of places."""
    at = np.empty(trie.size, dtype=np.int64)
    at[nodes] = np.arange(trie.size)
    born = np.flatnonzero(trie.parents >= 0)
    texts = np.arange(len(trie.ends))
    places = np.concatenate([at[trie.parents[born]], at[trie.ends]])
    tokens = np.concatenate([trie.tokens[born], np.full(len(texts), END)])
    targets = np.concatenate([born, trie.size + 1 + texts])
    order = np.argsort(places, kind="stable")
    table = np.stack([places, tokens, targets])[:, order]
    found = np.split(table, np.searchsorted(table[0], edges[1:-1]), axis=1)
    for start, part in zip(edges, found, strict=False):
        part[0] -= start
    return found[: len(edges) - 1]


def _step(trie: Trie, segments: Segments, nodes: Ints, place: Ints, reads: Ints) -> Step:
    before = np.cumsum(segments.lengths) - segments.lengths
    changes = np.flatnonzero(np.diff(segments.lengths)) + 1
    groups = [
        _group(trie, segments.starts[rows], int(segments.lengths[rows[0]]), place, int(before[rows[0]]))
        for rows in np.split(np.arange(len(before)), changes)
    ]
    texts = reads[2, reads[1] == END] - trie.size - 1
    return Step(nodes, trie.tokens[nodes], trie.depths[nodes], tuple(groups), int(place[nodes[0]]), reads, texts)


def _group(trie: Trie, starts: Ints, length: int, place: Ints, start: int) -> Group:
    depths = trie.depths[starts]
    most = int(depths.max())
    ancestors = trie.paths[trie.born[starts], :most]
    fetch = np.where(np.arange(most) < depths[:, None], place[np.minimum(ancestors, trie.size - 1)], 0)
    return Group(start, length, fetch, depths)
