"""The batch plan of a trie: which nodes are computed together, each of them once.

Depth-first order is cut into rows of nodes that attend to each other as a tree. A row needs the key/value states of
ancestors that stand in earlier rows; these few nodes are the trunk, computed first and kept. The trunk is itself a
trie, cut the same way, until it fits one row. Nothing here depends on time or free memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backends.engine.likelihood.texts import Ids
from backends.engine.likelihood.trie import Ints, Trie, make_trie

# Attention inside a row costs about 4 * width * row operations a token and layer, a longer row means a smaller trunk.
ROW = 64


@dataclass(frozen=True)
class Row:
    """Nodes computed together: `nodes` in depth-first order, and the kept ancestors that they attend to."""

    nodes: tuple[int, ...]
    path: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One forward pass: rows padded to one width and one path length."""

    nodes: Ints
    """[rows, width] node, or -1 where padded."""
    path: Ints
    """[rows, longest path] ancestor outside the row, or -1 where padded."""
    visible: NDArray[np.bool_]
    """[rows, width, longest path + width] which path nodes and which nodes of its row each node attends to."""
    tokens: Ints
    """[rows, width] the nodes' tokens, 0 where padded."""
    depths: Ints
    """[rows, longest path + width] depth of every path node and node, 0 where padded."""
    fetch: Ints
    """[rows, longest path] the path nodes' places in the kept trunk, 0 where padded."""
    keep: Ints
    """[rows, width] place in the kept trunk, or -1."""
    children: Ints
    """[3, n] flat position in this step, child node, child's token: the values to read off the logits."""
    endings: Ints
    """[2, n] flat position in this step, text: where the end-of-text token is read."""

    @property
    def size(self) -> int:
        """Return the number of positions computed, padding included."""
        return int(self.nodes.size)


@dataclass(frozen=True)
class Plan:
    """The steps of one trie, in order."""

    trie: Trie
    steps: tuple[Step, ...]
    trunk: int
    """Number of nodes whose key/value states are kept."""
    lengths: Ints
    """[texts] number of scored tokens, the end included."""

    @property
    def texts(self) -> int:
        """Return the number of texts."""
        return len(self.lengths)

    @property
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
        return f"trie rows={ROW} steps={len(self.steps)} nodes={self.trie.size} trunk={self.trunk} {digest.hexdigest()}"


def make_plan(texts: Sequence[Ids], *, tokens_a_step: int) -> Plan:
    """Plan the scoring of non-empty texts in steps of at most about `tokens_a_step` nodes."""
    trie = make_trie(texts)
    levels = _levels(trie)
    trunk = sorted({node for level in levels[1:] for row in level for node in row.nodes})
    place = np.full(trie.size, -1, dtype=np.int64)
    place[trunk] = np.arange(len(trunk))
    rows_a_step = max(1, tokens_a_step // ROW)
    children, endings = _readings(trie)
    steps = [
        _step(trie, level[start : start + rows_a_step], place, children, endings)
        for level in reversed(levels)
        for start in range(0, len(level), rows_a_step)
    ]
    return Plan(trie, tuple(steps), len(trunk), np.array([len(ids) + 1 for ids in texts], dtype=np.int64))


def _levels(trie: Trie) -> list[list[Row]]:
    """Return rows level by level; level 0 are the leaves' rows, each further level the trunk of the one before."""
    levels = []
    nodes = list(range(trie.size))
    while nodes:
        cut = [nodes[start : start + ROW] for start in range(0, len(nodes), ROW)]
        trunk = {ancestor for row in cut[1:] for ancestor in trie.ancestors(row[0])}
        rows = [_row(trie, [node for node in row if node not in trunk]) for row in cut]
        levels.append([row for row in rows if row.nodes])
        nodes = sorted(trunk)
    return levels


def _row(trie: Trie, nodes: list[int]) -> Row:
    inside = set(nodes)
    outside = {ancestor for node in nodes for ancestor in trie.ancestors(node)} - inside
    return Row(tuple(nodes), tuple(sorted(outside)))


def _readings(trie: Trie) -> tuple[list[list[int]], list[list[int]]]:
    children: list[list[int]] = [[] for _ in range(trie.size)]
    endings: list[list[int]] = [[] for _ in range(trie.size)]
    for node, parent in enumerate(trie.parents):
        if parent >= 0:
            children[parent].append(node)
    for text, end in enumerate(trie.ends):
        endings[end].append(text)
    return children, endings


def _table(rows: list[list[int]]) -> Ints:
    table = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _visible(trie: Trie, nodes: Ints, path: Ints) -> NDArray[np.bool_]:
    """Return [rows, width, path + width]: the node itself and its ancestors; a padded node sees itself alone."""
    rows, width = nodes.shape
    visible = np.zeros((rows, width, path.shape[1] + width), dtype=bool)
    visible[:, np.arange(width), path.shape[1] + np.arange(width)] = True
    for row in range(rows):
        where = {int(node): at for at, node in enumerate([*path[row], *nodes[row]]) if node >= 0}
        for at, node in enumerate(nodes[row]):
            if node >= 0:
                visible[row, at, [where[ancestor] for ancestor in trie.ancestors(int(node))]] = True
    return visible


def _taken(values: Ints, nodes: Ints) -> Ints:
    """Return `values` at the nodes, 0 where padded."""
    taken: Ints = np.where(nodes >= 0, values[nodes], 0)
    return taken


def _step(trie: Trie, rows: list[Row], place: Ints, children: list[list[int]], endings: list[list[int]]) -> Step:
    nodes = _table([list(row.nodes) for row in rows])
    path = _table([list(row.path) for row in rows])
    flat = [(int(at), int(nodes.flat[at])) for at in np.flatnonzero(nodes.reshape(-1) >= 0)]
    born = [(at, child, int(trie.tokens[child])) for at, node in flat for child in children[node]]
    ended = [(at, text) for at, node in flat for text in endings[node]]
    return Step(
        nodes=nodes,
        path=path,
        visible=_visible(trie, nodes, path),
        tokens=_taken(trie.tokens, nodes),
        depths=_taken(trie.depths, np.concatenate([path, nodes], axis=1)),
        fetch=_taken(place, path),
        keep=np.where(nodes >= 0, place[nodes], -1),
        children=np.array(born, dtype=np.int64).reshape(-1, 3).T.copy(),
        endings=np.array(ended, dtype=np.int64).reshape(-1, 2).T.copy(),
    )
