"""`index controls`, as a child of a backend does it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from backends.engine.controls.artefacts import CARD, Artefacts, cached
from backends.engine.controls.building import Building
from backends.engine.controls.vectors import COVARIANCE
from backends.engine.engine import WorkbenchEngine
from backends.engine.readers.reader import open_reader
from investigator import settings
from investigator.errors import BadInput
from investigator.overrides import overridden
from investigator.records import Figure
from investigator.wire import Progress, Work


def build(verb: Work) -> Iterator[Progress | Figure | str]:
    """Make the controls of a reader, or of every reader; yields progress, figures, and where they lie."""
    given = verb.arguments
    chosen = overridden(settings.load(), str(given.get("device", "")), str(given.get("dtype", "")))
    engine = WorkbenchEngine(str(given["workbench"]), chosen)
    yield Progress(0, 0, "loading the model")
    engine.load()
    names = _readers(engine, str(given.get("reader", "")))
    said = []
    for name in names:
        reader = open_reader(engine, name)
        folder = reader.folder if given.get("ship") else cached(engine, reader)
        begun = time.perf_counter()
        building = Building(engine, reader, vectors=int(given.get("vectors", COVARIANCE)))
        run = building.run(folder)
        while True:
            try:
                step = next(run)
            except StopIteration as end:
                yield from figures(name, end.value, time.perf_counter() - begun)
                break
            if step is not None:
                yield Progress(step.done, step.total, f"{name}: {step.message}")
        said.append(f"The controls of {name} lie in {folder / CARD}.")
    yield " ".join(said)


def _readers(engine: WorkbenchEngine, name: str) -> list[str]:
    """Return the readers meant, whole names: a reader of any layer reads its subject's default one."""
    if name:
        entry = engine.parts.reader_entry(name)
        layer = engine.parts.default_layer(entry.subject) if entry.layer == -1 else entry.layer
        return [engine.parts.reader_at(name, entry.subject, layer)]
    found = [key for key, entry in engine.workbench.readers.items() if entry.sae and entry.layer >= 0]
    if not found:
        raise BadInput("No reader of this workbench ranks labels, so there are no controls to build.", "Add one.")
    return found


def figures(name: str, made: Artefacts, seconds: float) -> Iterator[Figure]:
    """Yield what was found, as figures."""
    card = made.card
    yield Figure(f"{name}_least_spread", card.alone.spread, "nats/token", "", None, f"{card.alone.labels} true labels")
    yield Figure(f"{name}_largest_mean", card.alone.mean, "nats/token", "", None, "97.5th percentile of true labels")
    yield Figure(f"{name}_fdr_level", card.ranking.level, "share", "", None, f"{card.ranking.decoys} decoys")
    yield Figure(f"{name}_decoy_supported", card.ranking.supported, "labels/ranking", "<= 0.1", None, "left one out")
    edge = float(np.quantile(made.best, 0.95, method="higher"))
    yield Figure(
        f"{name}_self_score", edge, "nats/token", "", None, f"95th percentile, {len(made.best)} random vectors"
    )
    yield Figure(f"{name}_seconds", seconds, "s")
