"""The label index at work: every label's estimated gap at once, and a search that exact scores correct."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine.index import label_card, label_parts, label_tables
from backends.engine.index.label_card import AGAIN, IndexCard
from backends.engine.index.label_estimate import Linearised, all_features, raised_tokens
from backends.engine.index.label_refine import Refiner
from backends.engine.readers.reader import Reader
from investigator.errors import WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


class LabelIndex:
    """One index, open: tables in memory, gradients memory-mapped."""

    def __init__(self, folder: Path, card: IndexCard) -> None:
        """Open a folder; raise WorkbenchError where a file is missing, cut short or does not fit the card."""
        made = card.identity
        self.folder, self.card = folder, card
        self.tables = label_tables.read(folder, texts=made.texts, width=made.width, anchors=made.anchors)
        sizes = [min(label_parts.SIZE, made.texts - start) for start in range(0, made.texts, label_parts.SIZE)]
        parts = [
            label_parts.read(folder, part, shape=(made.anchors, size, made.width)) for part, size in enumerate(sizes)
        ]
        tables = self.tables
        self.linearised = Linearised(parts, tables.anchors, tables.scores, tables.contexts.lengths)

    @cached_property
    def means(self) -> Tensor:
        """Mean scores over the background `[texts]`, float64."""
        return self.tables.means.double()

    def first(self, input: Tensor) -> Tensor:
        """Return estimated gaps `[texts]` at a mapper's input `[d]`, from products with gradients alone."""
        return self.tables.first(self.linearised.features(input, self.tables.means))

    def refiner(self, reader: Reader, input: Tensor, soft: Tensor, *, by_score: bool) -> Refiner:
        """Begin a search at an input `[d]` with its soft prompt `[1, slots, d]`; runs the model for one small step."""
        tables = self.tables
        raised = raised_tokens(reader.subject, soft, tables.contexts, tables.usual)
        features = all_features(self.linearised.features(input, tables.means), tables.contexts, raised)
        offset = tables.means if by_score else torch.zeros_like(tables.means)
        standardised = tables.full.standardised(features)
        return Refiner(tables.full(features), standardised, tables.directions, offset, tables.contexts.words)


def index_of(engine: WorkbenchEngine, reader: Reader, labels: str) -> LabelIndex | None:
    """Return the index of a reader and a list of texts (its fingerprint), opened once; None where there is none.

    Raises WorkbenchError where one lies there that is half-built, cut short or of something else.
    """
    if not engine.workbench.subjects[reader.subject.name].statistics:
        return None
    key = label_card.key_of(engine, reader, labels)
    for folder in label_card.places(reader.folder, key):
        if not folder.is_dir():
            continue
        card = label_card.read_card(folder)
        if card is None:
            raise WorkbenchError(f"The label index in {folder} is only half-built.", AGAIN)
        _check(engine, reader, labels, folder, card)
        opened = engine.parts.once("label index", f"{key} {card.identity}", partial(LabelIndex, folder, card))
        # What has been opened once answers at once; the name says so without reading a card.
        engine.parts.once("open label index", key, lambda: True)
        return opened
    return None


def is_open(engine: WorkbenchEngine, reader: Reader, labels: str) -> bool:
    """Return whether an index of these has been opened before."""
    if not engine.workbench.subjects[reader.subject.name].statistics:
        return False
    return engine.parts.known("open label index", label_card.key_of(engine, reader, labels))


def _check(engine: WorkbenchEngine, reader: Reader, labels: str, folder: Path, card: IndexCard) -> None:
    words = label_card.mismatch(
        card,
        subject=reader.subject.fingerprint,
        reader=reader.fingerprint,
        labels=labels,
        statistics=engine.parts.layer_statistics(reader.subject.name).fingerprint,
    )
    if words:
        raise WorkbenchError(f"The label index in {folder} was made for {words}.", AGAIN)
