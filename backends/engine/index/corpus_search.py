"""The search: candidates by the sentence's own gradient, exact scores of the best, and again from there.

Each round linearises the sentence at its best positions so far, estimates every position with one product, corrects
the estimates by what they got wrong at the positions already scored, and scores the best of the rest exactly.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.index.corpus_kernel import corrections
from backends.engine.index.corpus_probe import Linear, Probe

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDS = 10
_SHARE, _FEWEST, _MOST = 0.025, 512, 4096
# Rounds that look at the whole corpus; later ones look at the best so many positions, whose inputs stay in memory.
_WIDE_ROUNDS = 4
_POOL = 4096
_ANCHORS = 16
# Scored positions behind the corrections: the best, and some of the others.
_BEST, _OTHERS = 384, 128


def budget(size: int) -> int:
    """Return how many of a corpus' positions a search scores exactly."""
    return min(size, max(_FEWEST, min(_MOST, round(_SHARE * size))))


class Positions(Protocol):
    """A corpus seen through one mapper."""

    @property
    def size(self) -> int:
        """Number of positions."""
        ...

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield all mapper inputs, block by block: first number, float32 `[n, d]`."""
        ...

    def rows(self, numbers: Ints) -> Tensor:
        """Return the mapper inputs of some positions, float32 `[n, d]`."""
        ...


@dataclass(frozen=True)
class _Pool:
    """Positions that may be hits and are not scored yet, with their inputs."""

    numbers: Ints
    inputs: Tensor

    def kept(self, keep: Tensor) -> _Pool:
        """Return some of them."""
        return _Pool(self.numbers[keep.numpy()], self.inputs[keep])

    def joined(self, other: _Pool) -> _Pool:
        """Return both."""
        return _Pool(np.concatenate([self.numbers, other.numbers]), torch.cat([self.inputs, other.inputs]))


class Search:
    """What is known so far of where a sentence scores high."""

    def __init__(self, positions: Positions, probe: Probe, seed: int = 0) -> None:
        self._positions, self.probe = positions, probe
        self._draw = np.random.default_rng(seed)
        self._seen = np.zeros(positions.size, dtype=bool)
        self._inputs = torch.empty(0, probe.blind.shape[1])
        self._linears: dict[int, Linear] = {}
        self.numbers: Ints = np.empty(0, np.int64)
        """Positions scored exactly, in the order of scoring."""
        self.values: Floats = np.empty(0)
        """Their scores; NaN where one failed."""

    def best(self, count: int | None = None) -> Ints:
        """Return where in `numbers` the best scored positions stand, best first, those that failed left out."""
        order = np.argsort(-self.values, kind="stable")[: int(np.isfinite(self.values).sum())]
        return order if count is None else order[:count]

    def exhaust(self) -> Iterator[int | None]:
        """Score everything: yields None after each model step, and after each block how many positions are done."""
        found = []
        for first, inputs in self._positions.blocks():
            values = np.empty(len(inputs))
            for done, scores in self.probe.scores(inputs):
                values[done.start : done.stop] = scores.numpy()
                yield None
            found.append(values)
            self.numbers, self.values = np.arange(first + len(inputs)), np.concatenate(found)
            yield len(self.numbers)

    def run(self, most: int) -> Iterator[int | None]:
        """Score the most promising positions: yields None after each step, and after each round how many are done."""
        pool = _Pool(self.numbers, self._inputs)
        for number in range(ROUNDS):
            wanted = -(-most * (number + 1) // ROUNDS) - len(self.numbers)
            probe = yield from self._linear()
            if number == 0:
                drawn = np.sort(self._draw.choice(self._positions.size, size=wanted // 2, replace=False))
                yield from self._score(_Pool(drawn, self._positions.rows(drawn)))
                wanted -= len(drawn)
            if number < _WIDE_ROUNDS:
                pool = yield from self._widest(probe)
            chosen = self._estimates(pool, probe).topk(min(wanted, len(pool.numbers))).indices
            yield from self._score(pool.kept(chosen))
            pool = pool.kept(torch.from_numpy(~self._seen[pool.numbers]))
            yield len(self.numbers)

    def _linear(self) -> Generator[None, None, Linear]:
        """Linearise at the best positions so far, at first where the soft prompt says nothing."""
        best = self.best(_ANCHORS)
        if not len(best):
            return (yield from self._slopes(self.probe.blind))[0]
        fresh = [int(at) for at in best if int(at) not in self._linears]
        found = yield from self._slopes(self._inputs[torch.tensor(fresh, dtype=torch.long)])
        self._linears.update(zip(fresh, found, strict=True))
        return Linear.mean([self._linears[int(at)] for at in best])

    def _slopes(self, anchors: Tensor) -> Generator[None, None, list[Linear]]:
        found = []
        for some in self.probe.slopes(anchors) if len(anchors) else ():
            found += some
            yield None
        return found

    def _widest(self, probe: Linear) -> Generator[None, None, _Pool]:
        """Return the best unscored positions of the whole corpus by the probe."""
        pool = _Pool(np.empty(0, np.int64), self._inputs[:0])
        for first, inputs in self._positions.blocks():
            estimates = probe(inputs)
            estimates[torch.from_numpy(self._seen[first : first + len(inputs)])] = -torch.inf
            best = estimates.topk(min(_POOL, int(estimates.isfinite().sum()))).indices
            pool = pool.joined(_Pool(np.arange(first, first + len(inputs)), inputs).kept(best))
            if len(pool.numbers) > _POOL:
                pool = pool.kept(probe(pool.inputs).topk(_POOL).indices)
            yield None
        return pool

    def _estimates(self, pool: _Pool, probe: Linear) -> Tensor:
        """Return estimates for the pool: the probe's, corrected by its errors at scored positions."""
        order = self.best()
        others = order[_BEST:]
        if len(others) > _OTHERS:
            others = self._draw.choice(others, size=_OTHERS, replace=False)
        some = np.concatenate([order[:_BEST], others])
        if not len(some):
            return probe(pool.inputs)
        known = self._inputs[torch.from_numpy(some)]
        errors = torch.from_numpy(self.values[some]).float() - probe(known)
        return probe(pool.inputs) + corrections(known, errors, pool.inputs)

    def _score(self, chosen: _Pool) -> Iterator[None]:
        values = np.empty(len(chosen.numbers))
        for done, scores in self.probe.scores(chosen.inputs):
            values[done.start : done.stop] = scores.numpy()
            yield None
        self._seen[chosen.numbers] = True
        self.numbers = np.concatenate([self.numbers, chosen.numbers])
        self.values = np.concatenate([self.values, values])
        self._inputs = torch.cat([self._inputs, chosen.inputs])
