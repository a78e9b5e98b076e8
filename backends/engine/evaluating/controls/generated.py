"""Texts drawn from random vectors, each judged under its own: what looks like a finding and is none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backends.engine.evaluating.controls.arithmetic import share
from backends.engine.evaluating.controls.bench import BUILD, ControlBench
from backends.engine.training.progress import Progress
from investigator.records import ExplanationRow, Explanations, Figure
from investigator.sources import Random
from investigator.wire import Explain, Finished

_VECTORS = 60
FIRST_SEED = 7_000_000
"""Seeds of the fresh vectors; the controls' own are drawn in another way altogether."""


def generated_figure(bench: ControlBench) -> Iterator[Progress | Figure]:
    """Yield `random_generated_supported_share`: of the texts that `explain` keeps at fresh random vectors."""
    name, target = "random_generated_supported_share", "<= 0.05"
    if bench.artefacts is None:
        yield Figure(name, None, "share", target, None, f"needs the self-scores {BUILD}")
        return
    count = bench.options.count(_VECTORS)
    flags: list[bool] = []
    owners: list[int] = []
    for vector in range(count):
        for row in explained(bench, FIRST_SEED + 1000 * bench.options.seed + vector):
            if row.score.verdict is not None:
                flags.append(row.score.verdict == "supported")
                owners.append(vector)
        yield Progress(vector + 1, count, "drawing texts from random vectors")
    if not flags:
        yield Figure(name, None, "share", target, None, "`explain` gave no verdict on any text")
        return
    value, interval = share(flags, np.array(owners), bench.options.seed)
    each = np.bincount(owners, weights=flags, minlength=count)
    beside = (
        f"{len(flags)} texts of {count} vectors; vectors with a supported text {(each > 0).mean():.3f}; over vectors"
    )
    yield Figure(name, value, "share", target, interval, beside)


def explained(bench: ControlBench, seed: int) -> tuple[ExplanationRow, ...]:
    """Return the rows that `explain` answers with at one random vector, through the verb itself."""
    source = Random(subject=bench.reader.subject.name, layer=bench.reader.layer, seed=seed)
    verb, _ = bench.engine.resolve(Explain(source, reader=bench.reader.name, seed=seed))
    for event in bench.engine.run(verb):
        if isinstance(event, Finished) and isinstance(event.result, Explanations):
            return event.result.rows
    return ()
