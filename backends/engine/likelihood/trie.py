"""The token trie of a set of texts: every distinct beginning is one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def _shared(left: Ids, right: Ids) -> int:
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    return shared


def make_trie(texts: Sequence[Ids]) -> Trie:
    """Build the trie of non-empty texts; equal texts share all their nodes."""
    tokens: list[int] = []
    parents: list[int] = []
    paths: list[list[int]] = [[] for _ in texts]
    path: list[int] = []
    previous: Ids = ()
    for index in sorted(range(len(texts)), key=lambda i: texts[i]):
        ids = texts[index]
        del path[_shared(previous, ids) :]
        for token in ids[len(path) :]:
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(token)
        paths[index], previous = list(path), ids
    return _packed(tokens, parents, paths)


def _packed(tokens: list[int], parents: list[int], paths: list[list[int]]) -> Trie:
    depths = np.zeros(len(tokens), dtype=np.int64)
    for node, parent in enumerate(parents):
        if parent >= 0:
            depths[node] = depths[parent] + 1
    padded = np.full((len(paths), max(map(len, paths), default=0)), len(tokens), dtype=np.int64)
    for row, path in zip(padded, paths, strict=True):
        row[: len(path)] = path
    ends = np.array([path[-1] for path in paths], dtype=np.int64)
    return Trie(np.array(tokens, dtype=np.int64), np.array(parents, dtype=np.int64), depths, ends, padded)
