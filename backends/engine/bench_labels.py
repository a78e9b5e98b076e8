"""How much faster the trie walk is than a loop: all labels of a reader under one source, measured in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor

from backends.engine.bench_likelihood.loop import Done, best_batch, loop_scores, plain
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.likelihood import GridScores
from backends.engine.readers.prepared import Prepared, prepared_labels, score_prepared
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.records import Figure
from investigator.settings import Settings

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

SOURCES = 5
# Labels that each batch size is tried on before the best is chosen.
_TRIED = 256


class Notes(Protocol):
    """Whatever shows a person what is going on."""

    def note(self, text: str) -> None:
        """Show a line."""
        ...


def measure(workbench: str, settings: Settings, meter: Notes) -> list[Figure]:
    """Open a workbench in this process and measure its default reader."""
    from backends.engine.engine import WorkbenchEngine

    engine = WorkbenchEngine(workbench, settings)
    meter.note("loading the workbench")
    engine.load()
    meter.note("scoring all labels both ways, in turns")
    return list(measure_labels_ratio(engine))


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
    soft, other = opened.soft_prompts(vectors), plain(opened.subject)
    some = sorted(prepared.ids, key=len)[:: max(1, len(prepared.ids) // _TRIED)]
    batch = best_batch(lambda rows: loop_scores(other, soft[0], some, rows))
    rounds = [_round((opened.subject, other), one, prepared, batch, slice_seconds) for one in soft]
    return _figures(rounds, prepared, f"batched transformers loop, {batch} rows")


def _reader(engine: WorkbenchEngine, name: str) -> Reader:
    readers = engine.workbench.readers
    if not readers:
        raise WorkbenchError("The workbench has no reader to measure.", "Add a [readers.NAME] table to it.")
    default = next((entry for entry in readers.values() if entry.default), next(iter(readers.values())))
    entry = readers.get(name, default)
    return open_reader(engine, reader_name(engine, name, entry.subject, entry.layer))


def _round(
    subjects: tuple[Subject, Subject], soft: Tensor, prepared: Prepared, batch: int, seconds: float
) -> tuple[float, float, float]:
    """Return our seconds, the loop's, and the largest difference between their scores."""
    ours = Side(score_prepared(subjects[0], soft[None], prepared))
    loop = Side(loop_scores(subjects[1], soft, prepared.ids, batch))
    race(ours, loop, seconds=seconds)
    mine = _by_text([(done.texts.tolist(), done.scores[0]) for done in cast(list[GridScores], ours.results)])
    theirs = _by_text(cast(list[Done], loop.results))
    valid = prepared.valid.tolist()
    return ours.seconds, loop.seconds, max(abs(mine[valid[place]] - theirs[place]) for place in theirs)


def _by_text(results: list[Done]) -> dict[int, float]:
    return {index: value for rows, values in results for index, value in zip(rows, values.tolist(), strict=True)}


def _figures(rounds: list[tuple[float, float, float]], prepared: Prepared, against: str) -> tuple[Figure, ...]:
    tokens = sum(map(len, prepared.ids))
    worst = max(difference for _, _, difference in rounds)
    return (
        spread("labels_ratio", (loop / ours for ours, loop, _ in rounds), "times", ">= 3", against),
        spread("labels_seconds", (ours for ours, _, _ in rounds), "s", compared_with="our trie walk"),
        spread("labels_loop_seconds", (loop for _, loop, _ in rounds), "s", compared_with=against),
        Figure("labels_max_abs_difference", worst, "nats per token", "<= 1e-4", compared_with=against),
        Figure("labels_scored", float(len(prepared.ids)), "labels"),
        Figure("labels_distinct_share", prepared.plan.trie.size / max(tokens, 1), "of tokens are distinct beginnings"),
    )
