"""What a text scores at ordinary places of the layer, cached by text: moving the cursor costs one small pass."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from backends.engine.likelihood import Ids, PrefixStates, make_plan, score_grid, tokens_a_step
from backends.engine.likelihood.states import bytes_a_source, one_prefix
from backends.engine.readers.reader import Reader
from backends.engine.subject import Subject

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

WHOLE = 512
"""Background positions behind a hypothesis."""
PART = 64
"""Background positions behind a label or a drawn text."""
# Key/value states of all places of a panel are kept where they take no more than this.
_MOST_BYTES = 256 << 20
_MOST_TEXTS = 4096


class Panel:
    """A fixed list of places, each with its states before a text, and the scores that texts got there.

    Places are taken in blocks of a fixed size and each text is scored by itself, so that a text's numbers do not
    depend on what was asked before. What a stopped question left half done is continued by the next.
    """

    def __init__(
        self, subject: Subject, blocks: Sequence[range], compute: Callable[[range], PrefixStates], *, keeps: bool
    ) -> None:
        """Take the places in `blocks`, one after the other; `compute` makes a block's states."""
        self.subject = subject
        self._blocks = {block.start: block for block in blocks}
        self._compute = compute
        self._keeps = keeps
        self._states: dict[int, PrefixStates] = {}
        self._scores: OrderedDict[Ids, list[float]] = OrderedDict()
        self.size = blocks[-1].stop if blocks else 0
        """Number of places."""

    def scores(self, ids: Ids, count: int = WHOLE) -> tuple[float, ...]:
        """Return a text's scores at the first `count` places; empty before `fill` has made them."""
        found = self._scores.get(ids, [])
        count = min(count, self.size)
        return tuple(found[:count]) if len(found) >= count else ()

    def fill(self, ids: Ids, count: int = WHOLE) -> Iterator[int]:
        """Score a text at the first `count` places where that is not done; yields how many are, after each step."""
        plan = make_plan([ids], tokens_a_step=tokens_a_step(self.subject))
        start = len(self._kept(ids))
        while start < min(count, self.size):
            if start not in self._states:
                self._make(start)
                yield start
            states = self._states[start]
            block = [math.nan] * states.sources
            for done in score_grid(self.subject, states, plan):
                if len(done.texts):
                    block[done.sources.start : done.sources.stop] = done.scores[:, 0].tolist()
                yield start
            self._take(ids, start, block)
            start = len(self._kept(ids))

    def _kept(self, ids: Ids) -> list[float]:
        scores = self._scores.setdefault(ids, [])
        self._scores.move_to_end(ids)
        while len(self._scores) > _MOST_TEXTS:
            self._scores.popitem(last=False)
        return scores

    def _make(self, start: int) -> None:
        """Compute the key/value states of the block that starts here; the last ones go where not all can stay."""
        if not self._keeps:
            self._states.clear()
        self._states[start] = self._compute(self._blocks[start])

    def _take(self, ids: Ids, start: int, block: list[float]) -> None:
        """Append a block, unless another question that ran in turns with this one did so first."""
        scores = self._kept(ids)
        if len(scores) == start:
            scores.extend(block)


def blocks_of(count: int, rows: int) -> list[range]:
    """Return 0..count cut into blocks of `rows`."""
    return [range(start, min(start + rows, count)) for start in range(0, count, rows)]


def may_keep(subject: Subject, places: int, slots: int) -> bool:
    """Say whether the states of so many places, each of so many tokens, may stay in memory."""
    return places * bytes_a_source(subject, slots) <= _MOST_BYTES


class Background(Panel):
    """One reader's view of fixed vectors `[n, d]`: the layer's background positions, or controls in their place."""

    def __init__(self, reader: Reader, vectors: Tensor) -> None:
        self.reader = reader
        self.vectors = vectors
        rows = max(1, tokens_a_step(reader.speaker) // reader.slots)
        keeps = may_keep(reader.speaker, len(vectors), reader.slots)
        super().__init__(reader.speaker, blocks_of(len(vectors), rows), self._prefixes, keeps=keeps)

    def _prefixes(self, block: range) -> PrefixStates:
        return one_prefix(self.subject, self.reader.soft(self.vectors[block.start : block.stop]))


def background_of(engine: WorkbenchEngine, reader: Reader) -> Background | None:
    """Return a reader's background; None where the workbench has no layer statistics."""
    if not engine.workbench.subjects[reader.subject.name].statistics:
        return None
    statistics = engine.parts.layer_statistics(reader.subject.name)
    vectors = statistics.background[reader.layer, :WHOLE]
    return engine.parts.once("background", reader.name, lambda: Background(reader, vectors))


def filled(panel: Panel | None, texts: Sequence[Ids], count: int = WHOLE) -> Iterator[tuple[int, int] | None]:
    """Fill the scores of several texts: yields None at each model step, and after it how far the work is.

    That is (places scored, places in all); nothing is yielded for what was scored before.
    """
    if panel is None:
        return
    count = min(count, panel.size)
    for index, ids in enumerate(texts):
        for known in panel.fill(ids, count):
            yield None
            yield index * count + known, len(texts) * count
