"""`index labels`, as a child of a backend does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.engine import fingerprints
from backends.engine.index.label_build import Build
from backends.engine.index.label_card import IndexCard, read_card
from backends.engine.readers import label_means
from backends.engine.readers.label_means import LabelMeans
from backends.engine.readers.prepared import Prepared, prepare, prepared_labels
from backends.engine.readers.reader import Reader, open_reader, reader_name
from investigator import settings
from investigator.errors import BadInput
from investigator.overrides import overridden
from investigator.records import Figure
from investigator.wire import Progress, Work

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# Up to so many labels, their whole background is measured too: a few minutes of exact rankings.
MEASURED = 8192


def build(verb: Work) -> Iterator[Progress | Figure | str]:
    """Make the index, or go on with it; yields progress, figures, and a sentence that says what came of it."""
    from backends.engine.engine import WorkbenchEngine

    given = verb.arguments
    chosen = overridden(settings.load(), str(given.get("device", "")), str(given.get("dtype", "")))
    engine = WorkbenchEngine(str(given["workbench"]), chosen)
    yield Progress(0, 0, "loading the model")
    engine.load()
    reader = _reader(engine, str(given.get("reader", "")))
    yield Progress(0, 0, "reading the labels")
    own = _texts(verb.files)
    prepared, fingerprint, means = _labels(engine, reader, own)
    making = Build(
        engine,
        reader,
        prepared,
        fingerprint,
        means=means,
        anchors=int(given["anchors"]),
        sources=int(given["sources"]),
        heldout=int(given["heldout"]),
        folder=reader.folder / "label_index" if given.get("beside") else None,
    )
    begun = time.perf_counter()
    if means is not None and not making.done and len(prepared.ids) <= MEASURED:
        for position in means.fill():
            if position is not None:
                yield Progress(position, means.positions, "measuring the labels' background")
        label_means.keep(engine, reader, means)
    yield from (step for step in making.run() if step is not None)
    card = read_card(making.folder)
    assert card is not None
    yield from figures(card, making.folder, time.perf_counter() - begun)
    yield _said(card, making.folder, prepared)


def _reader(engine: WorkbenchEngine, name: str) -> Reader:
    readers = engine.workbench.readers
    if not readers:
        raise BadInput("The workbench has no reader.", "Add a [readers.NAME] table to it.")
    named = name or next((key for key, entry in readers.items() if entry.default), next(iter(readers)))
    entry = readers.get(named, next(iter(readers.values())))
    return open_reader(engine, reader_name(engine, named, entry.subject, entry.layer))


def _texts(files: tuple[str, ...]) -> list[str] | None:
    """Return the sentences of the user's files, one a line; None where the reader's labels are meant."""
    if not files:
        return None
    try:
        lines = [line.strip() for file in files for line in Path(file).read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The labels cannot be read: {error}.", "Give a UTF-8 file with one label a line.") from error
    return [line for line in lines if line]


def _labels(engine: WorkbenchEngine, reader: Reader, own: list[str] | None) -> tuple[Prepared, str, LabelMeans | None]:
    if own is not None:
        prepared = prepare(reader.subject, own, slots=reader.slots)
        return prepared, list_fingerprint(prepared.texts), None
    if not reader.sae or not engine.workbench.saes[reader.sae].labels:
        raise BadInput(f"The reader {reader.name} has no label set to index.", "Name an SAE with labels, or --labels.")
    prepared = prepared_labels(engine, reader)
    small = len(prepared.ids) <= MEASURED
    return (
        prepared,
        engine.parts.labels(reader.sae).list_fingerprint,
        label_means.label_means(engine, reader) if small else None,
    )


def list_fingerprint(texts: tuple[str, ...]) -> str:
    """Return the fingerprint of distinct texts in their order, as label sets have it."""
    return fingerprints.of_text("\n".join(texts))


def figures(card: IndexCard, folder: Path, seconds: float) -> Iterator[Figure]:
    """Return what an index is and what it finds, as figures."""
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    heldout = f"{card.identity.heldout} held-out rankings, top {card.gap.top}"
    yield Figure("index_labels", float(card.identity.texts), "labels")
    yield Figure("index_anchors", float(card.identity.anchors), "anchors")
    yield Figure("index_bytes", float(size), "bytes")
    yield Figure(
        "index_seconds", seconds, "s", compared_with=", ".join(f"{k} {v:.0f}" for k, v in card.seconds.items())
    )
    for name, recall in (("gap", card.gap), ("score", card.score)):
        yield Figure(f"index_estimate_recall_{name}", recall.estimate, "share", compared_with=heldout)
        yield Figure(f"index_recall_{name}", recall.rescored, "share", ">= 0.95", compared_with=heldout)
        yield Figure(f"index_candidates_{name}", float(recall.candidates), "labels scored exactly")


def _said(card: IndexCard, folder: Path, prepared: Prepared) -> str:
    left = f" {len(prepared.errors)} labels cannot be scored and are left out." if prepared.errors else ""
    return f"The index of {card.identity.texts} labels lies in {folder}.{left}"
