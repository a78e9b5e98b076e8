"""A reader at work: a mapper with the subject it speaks through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine import fingerprints
from backends.engine.readers.soft_prompt import WEIGHTS, SoftPromptMapper
from backends.engine.subject import Subject
from investigator.errors import BadInput, ScoreError, WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


@dataclass(frozen=True)
class Reader:
    """A soft-prompt reader of one subject and layer."""

    name: str
    subject: Subject
    layer: int
    sae: str
    """The SAE whose labels it ranks; may be empty."""
    mapper: SoftPromptMapper
    folder: Path

    @property
    def slots(self) -> int:
        """Number of soft tokens."""
        return self.mapper.card.slots

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the mapper's weights."""
        return fingerprints.of_file(self.folder / WEIGHTS)

    def soft(self, vectors: Tensor) -> Tensor:
        """Map sources `[B, d]` to soft prompts `[B, slots, d]`; a source that is not finite stays so."""
        with torch.inference_mode():
            soft: Tensor = self.mapper(vectors.to(self.subject.device, torch.float32))
            return soft.to(self.subject.dtype)

    def soft_of(self, vector: Tensor) -> Tensor:
        """Map one source `[d]` to its soft prompt `[1, slots, d]`; raise ScoreError where it is not finite."""
        soft = self.soft(vector[None])
        if not bool(torch.isfinite(soft).all()):
            raise ScoreError("The source holds NaN or infinity, so nothing can be read from it.", "Pick another token.")
        return soft


def reader_name(engine: WorkbenchEngine, name: str, subject: str, layer: int) -> str:
    """Return a reader's name, the default one at the layer where none is given; raise BadInput where none fits."""
    readers = engine.workbench.readers
    if name and name not in readers:
        raise BadInput(f"The workbench has no reader {name!r}.", f"It has: {', '.join(readers) or 'none'}.")
    fitting = {key: entry for key, entry in readers.items() if (entry.subject, entry.layer) == (subject, layer)}
    if name and name not in fitting:
        entry = readers[name]
        raise BadInput(
            f"{name} reads layer {entry.layer} of {entry.subject}, not layer {layer} of {subject}.",
            f"Ask at layer {entry.layer}.",
        )
    if not fitting:
        raise BadInput(f"No reader reads layer {layer} of {subject}.", _elsewhere(engine, subject))
    return name or next((key for key, entry in fitting.items() if entry.default), next(iter(fitting)))


def _elsewhere(engine: WorkbenchEngine, subject: str) -> str:
    own = [f"{key} at layer {e.layer}" for key, e in engine.workbench.readers.items() if e.subject == subject]
    return f"Ask at another layer: {', '.join(own)}." if own else "Add a [readers.NAME] table to the workbench."


def readers_by_layer(engine: WorkbenchEngine, subject: str) -> dict[int, str]:
    """Return the default reader of every layer of a subject that has one, by layer."""
    layers = sorted({entry.layer for entry in engine.workbench.readers.values() if entry.subject == subject})
    return {layer: reader_name(engine, "", subject, layer) for layer in layers}


def open_reader(engine: WorkbenchEngine, name: str) -> Reader:
    """Return a reader, loaded once; raise WorkbenchError where it does not fit its subject."""
    return engine.parts.once("reader", name, lambda: _load(engine, name))


def _load(engine: WorkbenchEngine, name: str) -> Reader:
    entry = engine.workbench.readers[name]
    subject, folder = engine.parts.subject(entry.subject), engine.parts.path(entry.path)
    mapper = SoftPromptMapper.load(folder)
    if mapper.card.width != subject.width:
        raise WorkbenchError(
            f"The reader {name} maps vectors of width {mapper.card.width}, but {entry.subject} has {subject.width}.",
            f"Give [readers.{name}] a mapper that was trained on this model.",
        )
    if mapper.card.layer != entry.layer:
        raise WorkbenchError(
            f"The reader {name} was trained on layer {mapper.card.layer}, but the workbench says {entry.layer}.",
            f"Write layer = {mapper.card.layer} in [readers.{name}].",
        )
    return Reader(name, subject, entry.layer, entry.sae, mapper.to(subject.device), folder)
