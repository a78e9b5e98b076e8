"""The token trie of a set of texts: every distinct beginning is one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from backends.engine.likelihood.texts import Ids

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trie:
    """Nodes in depth-first order, so that a node's ancestors stand before it and a subtree is contiguous."""

    tokens: Ints
    """[nodes] the token that each node adds."""
    parents: Ints
    """[nodes] index of the parent; -1 for a text's first token."""
    depths: Ints
    """[nodes] 0 for a text's first token."""
    ends: Ints
    """[texts] the node at which each text ends."""
    paths: Ints
    """[texts, longest] the nodes of each text; filled up with `len(tokens)`."""
    born: Ints
    """[nodes] a text that passes through each node."""

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self.tokens)

    def ancestors(self, node: int) -> list[int]:
        """Return the proper ancestors of a node, nearest first."""
        found = []
        while (node := int(self.parents[node])) >= 0:
            found.append(node)
        return found

    @cached_property
    def by_depth(self) -> tuple[Ints, ...]:
        """Return the nodes of each depth."""
        order = np.argsort(self.depths, kind="stable")
        return tuple(np.split(order, np.cumsum(np.bincount(self.depths))[:-1])) if self.size else ()

    @cached_property
    def sizes(self) -> Ints:
        """Return the number of nodes in each node's subtree, itself counted."""
        sizes = np.ones(self.size, dtype=np.int64)
        for nodes in reversed(self.by_depth[1:]):
            np.add.at(sizes, self.parents[nodes], sizes[nodes])
        return sizes

    @cached_property
    def families(self) -> Ints:
        """Return the number of children of each node."""
        found: Ints = np.bincount(self.parents[self.parents >= 0], minlength=self.size)
        return found

    @cached_property
    def children(self) -> Lists:
        """Return the children of every node."""
        born = np.flatnonzero(self.parents >= 0)
        return make_lists(self.parents[born], born, self.size)

    @cached_property
    def endings(self) -> Lists:
        """Return the texts that end at every node."""
        return make_lists(self.ends, np.arange(len(self.ends)), self.size)


@dataclass(frozen=True)
class Lists:
    """A list of numbers for every node, end to end."""

    edges: Ints
    """[nodes + 1] where each node's list begins."""
    values: Ints

    def of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Return the lists of some nodes end to end: each entry's place among `nodes`, and the entries."""
        counts = self.edges[nodes + 1] - self.edges[nodes]
        at = np.repeat(np.arange(len(nodes)), counts)
        within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        return at, self.values[self.edges[nodes][at] + within]


def make_lists(owners: Ints, values: Ints, nodes: int) -> Lists:
    """Return each node's values in their given order."""
    edges = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=nodes))])
    return Lists(edges, values[np.argsort(owners, kind="stable")])


def make_trie(texts: Sequence[Ids]) -> Trie:
    """Build the trie of non-empty texts; equal texts share all their nodes."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    longest = int(lengths.max(initial=0))
    inside = np.arange(longest) < lengths[:, None]
    table = np.full(inside.shape, -1, dtype=np.int64)
    table[inside] = np.fromiter(chain.from_iterable(texts), dtype=np.int64, count=int(lengths.sum()))
    order = _sorted(table)
    table, inside = table[order], inside[order]
    fresh = inside & ~_as_before(table)
    paths = np.where(fresh, np.cumsum(fresh).reshape(fresh.shape) - 1, -1)
    np.maximum.accumulate(paths, axis=0, out=paths)
    return _trie(table, inside, fresh, paths, order)


def _sorted(table: Ints) -> Ints:
    """Return the order of rows as sequences, a beginning before what goes on."""
    if not table.size:
        return np.arange(len(table))
    # Big-endian bytes sort like the numbers, and comparing bytes is one call a pair.
    keys = np.ascontiguousarray((table + 1).astype(">u4")).view(f"S{4 * table.shape[1]}")[:, 0]
    return np.argsort(keys, kind="stable")


def _as_before(table: Ints) -> NDArray[np.bool_]:
    """Return where a row is still equal to the row before it."""
    same = np.zeros(table.shape, dtype=bool)
    same[1:] = np.logical_and.accumulate(table[1:] == table[:-1], axis=1)
    return same


def _trie(table: Ints, inside: NDArray[np.bool_], fresh: NDArray[np.bool_], paths: Ints, order: Ints) -> Trie:
    rows, depths = np.nonzero(fresh)
    before = np.pad(paths, ((0, 0), (1, 0)), constant_values=-1)
    padded = np.where(inside, paths, len(rows))
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    lengths = inside.sum(1)
    return Trie(
        tokens=table[fresh],
        parents=before[:, :-1][fresh],
        depths=depths,
        ends=paths[np.arange(len(paths)), lengths - 1][back] if len(paths) else np.zeros(0, dtype=np.int64),
        paths=padded[back],
        born=order[rows],
    )
