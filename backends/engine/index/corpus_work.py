"""`index corpus`, as a child of a backend does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from backends.engine.engine import WorkbenchEngine
from backends.engine.index import corpus_calibration
from backends.engine.index.corpus_build import Build
from backends.engine.index.corpus_card import CorpusCard, read_card
from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_job import make_build
from backends.engine.index.corpus_reading import Reading
from backends.engine.readers.reader import open_reader, readers_by_layer
from investigator import settings
from investigator.overrides import overridden
from investigator.records import Figure
from investigator.wire import Progress, Work


def build(verb: Work) -> Iterator[Progress | Figure | str]:
    """Make the index, or go on with it; yields progress, figures, and a sentence that says how to search it."""
    given = verb.arguments
    engine = WorkbenchEngine(
        str(given["workbench"]), overridden(settings.load(), str(given["device"]), str(given["dtype"]))
    )
    yield Progress(0, 0, "loading the model")
    engine.load()
    making = make_build(
        engine,
        [Path(file) for file in verb.files],
        Path(str(given["out"])),
        name=str(given["name"]),
        subject=str(given["subject"]),
        layers=[int(layer) for layer in str(given["layers"]).split(",") if layer],
        reading=Reading(str(given["field"]), bool(given["whole"])),
        window=int(given["window"]),
        most_tokens=int(given["most_tokens"]),
    )
    begun = time.perf_counter()
    yield from (step for step in making.run() if step is not None)
    if given["calibrate"]:
        yield from _calibrated(engine, making)
    card = read_card(making.folder)
    yield from _figures(card, making.folder, time.perf_counter() - begun)
    yield _said(card, making.folder)


def _calibrated(engine: WorkbenchEngine, made: Build) -> Iterator[Progress | Figure]:
    """Measure once how much a search finds, for the default reader of each of the index's layers."""
    index = CorpusIndex.open(made.folder, made.subject)
    for layer, name in readers_by_layer(engine, made.subject.name).items():
        entry = engine.workbench.readers[name]
        if layer not in made.recipe.layers or not entry.sae or entry.kind != "soft_prompt":
            continue
        reader = open_reader(engine, name)
        if corpus_calibration.read(index, reader) is None:
            steps = corpus_calibration.calibrate(index, reader, engine.parts.labels(entry.sae))
            yield from (step for step in steps if step is not None)
        found = corpus_calibration.read(index, reader)
        if found is not None:
            words = f"exact scores of {found.positions:,} positions for {len(found.recalls)} labels"
            spread = (min(found.recalls), max(found.recalls))
            yield Figure(f"corpus_recall_{name}", found.recall, "of the best 20 positions", "", spread, words)


def _figures(card: CorpusCard, folder: Path, seconds: float) -> Iterator[Figure]:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    yield Figure("corpus_documents", float(card.documents), "documents")
    yield Figure("corpus_contexts", float(card.contexts), "contexts")
    yield Figure("corpus_positions", float(card.positions), "positions")
    yield Figure("corpus_searched", float(card.searched), "positions that a search looks at")
    yield Figure("corpus_bytes", float(size), "bytes")
    yield Figure("corpus_seconds", seconds, "s")


def _said(card: CorpusCard, folder: Path) -> str:
    notes = " ".join(card.notes)
    return f"The index lies in {folder}; `investigator find SENTENCE --corpus {card.name}` searches it. {notes}".strip()
