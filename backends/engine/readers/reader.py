"""Readers at work: something that turns a source into a distribution over text, whatever its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.engine import fingerprints
from backends.engine.likelihood.injected import Prompts
from backends.engine.readers.soft_prompt import WEIGHTS, SoftPromptMapper
from backends.engine.readers.spec import InjectionSpec, soft_prompt
from backends.engine.subject import Subject
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.workbench import UNTRAINED

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


@dataclass(frozen=True)
class Reader(ABC):
    """A reader of one layer of one subject."""

    name: str
    subject: Subject
    """The model whose activations it reads."""
    speaker: Subject
    """The model that it speaks through; its end-of-text is where an explanation ends."""
    layer: int
    sae: str
    """The SAE whose labels it ranks; may be empty."""
    folder: Path
    """Where its files lie, and what is shipped beside them."""
    spec: InjectionSpec

    @property
    @abstractmethod
    def slots(self) -> int:
        """Number of positions before a text that is scored."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Fingerprint of all that decides its answers but the subject."""

    @property
    @abstractmethod
    def reads_length(self) -> bool:
        """Whether the source's distance from the mean changes what it reads, beside its direction."""

    @abstractmethod
    def soft(self, vectors: Tensor) -> Prompts:
        """Return what stands before a text that is scored, for sources `[B, d]`; not finite where a source is not."""

    def soft_prompts(self, vectors: Tensor) -> Tensor:
        """Return soft prompts `[B, slots, d]` of sources `[B, d]`; raise BadInput where the reader speaks without."""
        found = self.soft(vectors)
        if not isinstance(found, Tensor):
            raise BadInput(f"The reader {self.name} has no soft prompt.", "Name a reader of kind soft_prompt.")
        return found

    def start(self, vectors: Tensor) -> Prompts:
        """Return what stands before a text that is drawn, for sources `[B, d]`."""
        return self.soft(vectors)

    @property
    def stops(self) -> frozenset[int]:
        """Tokens that end a text that is drawn."""
        return frozenset({self.speaker.eos_id})

    def ended(self, ids: Sequence[int]) -> bool:
        """Return whether what was drawn so far holds the end of an explanation."""
        return False

    def text(self, ids: Sequence[int]) -> str:
        """Return the explanation in what was drawn."""
        return self.speaker.decode(ids).strip()

    def at_mean(self, mean: Tensor, background: Tensor) -> Prompts:
        """Return the prompt of a source that holds nothing, `[1, ..]`: the layer's mean `[d]`."""
        return self.soft(mean[None])

    def soft_of(self, vector: Tensor) -> Prompts:
        """Return what stands before a text for one source `[d]`; raise ScoreError where it is not finite."""
        if not bool(torch.isfinite(vector).all()):
            raise ScoreError("The source holds NaN or infinity, so nothing can be read from it.", "Pick another token.")
        return self.soft(vector[None])

    @property
    def mapper(self) -> SoftPromptMapper:
        """The mapper of a soft-prompt reader; raise BadInput for other kinds, which no index linearises."""
        raise BadInput(
            f"The reader {self.name} is no soft-prompt reader, and only these have a mapper that an index can use.",
            "Name a reader of kind soft_prompt.",
        )

    @property
    def indexed(self) -> bool:
        """Whether an index may estimate its scores: those of soft-prompt readers alone."""
        return False


@dataclass(frozen=True)
class SoftPromptReader(Reader):
    """A soft-prompt reader: a mapper's rows stand before the text (L2EL)."""

    own: SoftPromptMapper

    @property
    def mapper(self) -> SoftPromptMapper:
        """The mapper."""
        return self.own

    @property
    def indexed(self) -> bool:
        """Its map is affine, so an index can linearise it."""
        return True

    @property
    def slots(self) -> int:
        """Number of soft tokens."""
        return self.own.card.slots

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the mapper's weights."""
        return fingerprints.of_file(self.folder / WEIGHTS)

    @property
    def reads_length(self) -> bool:
        """Whether its form reads the activation itself; the others read the direction alone."""
        return self.own.card.form == "paper"

    def soft(self, vectors: Tensor) -> Tensor:
        """Map sources `[B, d]` to soft prompts `[B, slots, d]`; a source that is not finite stays so."""
        with torch.inference_mode():
            soft: Tensor = self.own(vectors.to(self.subject.device, torch.float32))
            return soft.to(self.subject.dtype)

    def at_mean(self, mean: Tensor, background: Tensor) -> Tensor:
        """Return the soft prompt at the mean input; where the map normalises, at the mean of its output.

        A normalising map is affine in the unit vector u, so the soft prompt at the mean of u is the mean soft prompt.
        """
        return self.soft(mean[None]) if self.reads_length else self.soft(background).mean(0, keepdim=True)


def reader_name(engine: WorkbenchEngine, name: str, subject: str, layer: int) -> str:
    """Return a reader's name, the default one at the layer where none is given; raise BadInput where none fits.

    A reader of any layer is named with the place it reads, `NAME@SUBJECT/LAYER`.
    """
    named = engine.parts.reader_at(name, subject, layer) if name else None
    if named is not None:
        return named
    readers = engine.workbench.readers
    fitting = {key: entry for key, entry in readers.items() if (entry.subject, entry.layer) == (subject, layer)}
    if not fitting:
        raise BadInput(f"No reader reads layer {layer} of {subject}.", _elsewhere(engine, subject))
    return next((key for key, entry in fitting.items() if entry.default), next(iter(fitting)))


def _elsewhere(engine: WorkbenchEngine, subject: str) -> str:
    entries = engine.workbench.readers.items()
    own = [f"{key} at layer {e.layer}" for key, e in entries if e.subject == subject and e.layer >= 0]
    anywhere = f"name one that needs no training: {', '.join(UNTRAINED)}."
    return f"Ask at another layer: {', '.join(own)}; or {anywhere}" if own else anywhere.capitalize()


def readers_by_layer(engine: WorkbenchEngine, subject: str) -> dict[int, str]:
    """Return the default reader of every layer of a subject that has one, by layer."""
    entries = [entry for entry in engine.workbench.readers.values() if entry.subject == subject]
    layers = sorted({entry.layer for entry in entries if entry.layer >= 0})
    return {layer: reader_name(engine, "", subject, layer) for layer in layers}


def open_reader(engine: WorkbenchEngine, name: str) -> Reader:
    """Return a reader, loaded once; raise WorkbenchError where it does not fit its subject."""
    return engine.parts.once("reader", name, lambda: _load(engine, name))


def _load(engine: WorkbenchEngine, name: str) -> Reader:
    entry = engine.parts.reader_entry(name)
    if entry.kind != "soft_prompt":
        from backends.engine.readers.injecting import load_reader

        return load_reader(engine, name, entry)
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
    spec = soft_prompt(mapper.card.slots)
    return SoftPromptReader(name, subject, subject, entry.layer, entry.sae, folder, spec, mapper.to(subject.device))
