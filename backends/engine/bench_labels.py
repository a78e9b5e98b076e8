"""How much faster the trie walk is than a loop: all labels of a reader under one source, measured in turns.

The loop is what a good engineer writes with transformers: labels sorted by length, padded on the right, the soft
prefix repeated in every row, the best of several batch sizes, inference mode, logits only where a token is predicted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from backends.engine.likelihood import Ids
from backends.engine.readers.prepared import Prepared, prepared_labels, score_prepared
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.records import Figure
from investigator.settings import Settings

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

BATCHES = (16, 32, 64, 128)
SOURCES = 5
# Labels that each batch size is tried on before the best is chosen.
_TRIED = 256


def loop_scores(subject: Subject, soft: Tensor, texts: list[Ids], batch: int) -> Iterator[tuple[list[int], Tensor]]:
    """Score texts under one soft prompt `[slots, d]` batch by batch: yields indices and log p / tokens."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        with torch.inference_mode():
            scores = _loop_batch(subject, soft, [texts[i] for i in rows])
        yield rows, scores


def _loop_batch(subject: Subject, soft: Tensor, texts: list[Ids]) -> Tensor:
    longest, slots = max(map(len, texts)), len(soft)
    padded = [[*ids, *([subject.eos_id] * (longest - len(ids)))] for ids in texts]
    ids = torch.tensor(padded, device=subject.device)
    lengths = torch.tensor([len(ids) + 1 for ids in texts], device=subject.device)
    embeds = torch.cat([soft.expand(len(texts), -1, -1), subject.embed(ids)], dim=1)
    hidden, _ = subject.body(inputs_embeds=embeds)
    targets = functional.pad(ids, (0, 1), value=subject.eos_id)
    scored = torch.arange(longest + 1, device=subject.device) < lengths[:, None]
    logits = subject.head(hidden[:, slots - 1 :][scored])
    values = -functional.cross_entropy(logits.float(), targets[scored], reduction="none")
    sums = torch.zeros(len(texts), device=subject.device).index_add_(0, scored.nonzero()[:, 0], values)
    return sums / lengths


class Notes(Protocol):
    """Whatever shows a person what is going on."""

    def note(self, text: str) -> None:
        """Show a line."""
        ...


@dataclass
class _Clock:
    """Seconds and results of one side."""

    seconds: float = 0.0
    scores: dict[int, float] = field(default_factory=dict)
    ended: bool = False

    def advance(self, steps: Iterator[tuple[list[int], Tensor]], seconds: float) -> None:
        """Run steps until about so many seconds have passed."""
        start = time.perf_counter()
        while not self.ended and time.perf_counter() - start < seconds:
            found = next(steps, None)
            self.ended = found is None
            if found is not None:
                self.scores.update(zip(found[0], found[1].tolist(), strict=True))
        self.seconds += time.perf_counter() - start


def _walk(subject: Subject, soft: Tensor, prepared: Prepared) -> Iterator[tuple[list[int], Tensor]]:
    for done in score_prepared(subject, soft, prepared):
        yield done.texts.tolist(), done.scores[0]


def best_batch(subject: Subject, soft: Tensor, texts: list[Ids]) -> int:
    """Return the batch size at which the loop is fastest on evenly spread labels."""
    some = sorted(texts, key=len)[:: max(1, len(texts) // _TRIED)]

    def seconds(batch: int) -> float:
        clock = _Clock()
        clock.advance(loop_scores(subject, soft, some, batch), float("inf"))
        return clock.seconds

    seconds(BATCHES[0])
    return min(BATCHES, key=lambda batch: min(seconds(batch), seconds(batch)))


def measure_labels_ratio(
    engine: WorkbenchEngine, *, reader: str = "", sources: int = SOURCES, slice_seconds: float = 0.5
) -> tuple[Figure, ...]:
    """Score all labels of a reader both ways under several background sources, in alternating slices of time.

    Returns `labels_ratio` (the loop's time over ours, median over sources, smallest and largest as the interval) and
    the absolute seconds beside it. Raises WorkbenchError without a reader, labels or statistics.
    """
    opened = _reader(engine, reader)
    prepared = prepared_labels(engine, opened)
    vectors = engine.parts.layer_statistics(opened.subject.name).background[opened.layer, :sources]
    soft = opened.soft(vectors)
    texts = [prepared.ids[i] for i in range(len(prepared.ids))]
    batch = best_batch(opened.subject, soft[0], texts)
    where = {int(index): place for place, index in enumerate(prepared.valid.tolist())}
    pairs = [_race(opened.subject, one, prepared, texts, batch, slice_seconds) for one in soft]
    worst = max(abs(ours.scores[index] - loop.scores[place]) for ours, loop in pairs for index, place in where.items())
    return _figures(pairs, worst, prepared, f"batched transformers loop, {batch} rows")


def measure(workbench: str, settings: Settings, meter: Notes) -> list[Figure]:
    """Open a workbench in this process and measure its default reader."""
    from backends.engine.engine import WorkbenchEngine

    engine = WorkbenchEngine(workbench, settings)
    meter.note("loading the workbench")
    engine.load()
    meter.note("scoring all labels both ways, in turns")
    return list(measure_labels_ratio(engine))


def _reader(engine: WorkbenchEngine, name: str) -> Reader:
    readers = engine.workbench.readers
    if not readers:
        raise WorkbenchError("The workbench has no reader to measure.", "Add a [readers.NAME] table to it.")
    default = next((entry for entry in readers.values() if entry.default), next(iter(readers.values())))
    entry = readers.get(name, default)
    return open_reader(engine, reader_name(engine, name, entry.subject, entry.layer))


def _race(
    subject: Subject, soft: Tensor, prepared: Prepared, texts: list[Ids], batch: int, slice_seconds: float
) -> tuple[_Clock, _Clock]:
    ours, loop = _Clock(), _Clock()
    walk, other = _walk(subject, soft[None], prepared), loop_scores(subject, soft, texts, batch)
    while not (ours.ended and loop.ended):
        ours.advance(walk, slice_seconds)
        loop.advance(other, slice_seconds)
    return ours, loop


def _middle(values: list[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


def _figures(pairs: list[tuple[_Clock, _Clock]], worst: float, prepared: Prepared, against: str) -> tuple[Figure, ...]:
    ratios = [loop.seconds / ours.seconds for ours, loop in pairs]
    tokens = sum(map(len, prepared.ids))
    return (
        Figure("labels_ratio", _middle(ratios), "times", ">= 3", (min(ratios), max(ratios)), against),
        Figure("labels_seconds", _middle([ours.seconds for ours, _ in pairs]), "s", compared_with="our trie walk"),
        Figure("labels_loop_seconds", _middle([loop.seconds for _, loop in pairs]), "s", compared_with=against),
        Figure("labels_max_abs_difference", worst, "nats per token", "<= 1e-4", compared_with=against),
        Figure("labels_scored", float(len(prepared.ids)), "labels"),
        Figure("labels_distinct_share", prepared.plan.trie.size / max(tokens, 1), "of tokens are distinct beginnings"),
    )
