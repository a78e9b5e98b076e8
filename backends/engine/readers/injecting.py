"""Readers that put the source into a prompt as an InjectionSpec says: NLA, oracles, LatentQA, SelfIE, Patchscopes."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from backends.engine import files, fingerprints
from backends.engine.likelihood.injected import Injected, Injection
from backends.engine.readers.kinds import spec_of, trained_at
from backends.engine.readers.prompts import Prompt, prompt_of
from backends.engine.readers.reader import Reader
from backends.engine.readers.sidecar import NAME as SIDECAR
from backends.engine.readers.sidecar import read_sidecar
from backends.engine.readers.speakers import speaker_of
from backends.engine.readers.spec import InjectionSpec
from backends.engine.readers.weights import folder_of
from backends.engine.subject import Subject
from investigator.errors import WorkbenchError
from investigator.workbench import ReaderEntry

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_EXPLANATION = re.compile(r"<explanation>\s*(.*?)\s*(?:</explanation>|\Z)", re.DOTALL)
_CLOSED = "</explanation>"
# So many of the last tokens are read again to see whether the closing tag is whole.
_TAIL = 12


@dataclass(frozen=True)
class VectorMap:
    """y = W x + b, or the identity."""

    weight: Tensor | None = None
    bias: Tensor | None = None

    def __call__(self, vectors: Tensor) -> Tensor:
        """Map vectors `[.., in]`, float32."""
        if self.weight is None:
            return vectors
        mapped = vectors @ self.weight.to(vectors).T
        return mapped if self.bias is None else mapped + self.bias.to(vectors)


@dataclass(frozen=True)
class InjectionReader(Reader):
    """A reader that an InjectionSpec drives."""

    prompt: Prompt
    injection: Injection
    map: VectorMap
    prints: str

    @property
    def slots(self) -> int:
        """Number of tokens of the prompt and of the answer's opening."""
        return len(self.prompt.ids) + len(self.prompt.opening)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its spec and of the weights that it speaks with."""
        return self.prints

    @property
    def reads_length(self) -> bool:
        """Whether the vector goes in at its own length."""
        return self.spec.norm == "raw"

    @cached_property
    def _embeds(self) -> Tensor:
        ids = torch.tensor([*self.prompt.ids, *self.prompt.opening], device=self.speaker.device)
        with torch.inference_mode():
            return self.speaker.embed(ids)

    def _injected(self, embeds: Tensor, vectors: Tensor) -> Injected:
        with torch.inference_mode():
            mapped = self.map(vectors.to(self.speaker.device, torch.float32))
            return Injected(embeds, mapped[:, None], self.prompt.positions, self.injection)

    def soft(self, vectors: Tensor) -> Injected:
        """Return the prompt and the answer's opening with sources `[B, d]` put in."""
        return self._injected(self._embeds, vectors)

    def start(self, vectors: Tensor) -> Injected:
        """Return the prompt alone; where the answer's opening carries no tags, with it."""
        bare = self.spec.parse == "explanation"
        return self._injected(self._embeds[: len(self.prompt.ids)] if bare else self._embeds, vectors)

    @property
    def stops(self) -> frozenset[int]:
        """Tokens that end an answer, those of the generation configuration among them (formats.md, G6)."""
        return self.prompt.stops

    def ended(self, ids: Sequence[int]) -> bool:
        """Return whether the closing tag of an explanation is whole."""
        if self.spec.parse != "explanation":
            return False
        return _CLOSED in self.speaker.tokenizer.decode(list(ids[-_TAIL:]), clean_up_tokenization_spaces=False)

    def text(self, ids: Sequence[int]) -> str:
        """Return the explanation: what stands in its tags, closed or not, or all of it where there are none."""
        said = self.speaker.decode(ids)
        if self.spec.parse == "explanation":
            found = _EXPLANATION.search(said)
            return (found.group(1) if found else said).strip()
        return (said.strip().partition("\n")[0] if self.spec.parse == "line" else said).strip()


def load_reader(engine: WorkbenchEngine, name: str, entry: ReaderEntry) -> InjectionReader:
    """Load a reader and test it; raise WorkbenchError where its parts do not fit each other or the subject."""
    from backends.engine.readers.self_test import check_itself

    subject = engine.parts.subject(entry.subject)
    folder = folder_of(entry.path, entry.revision, engine.folder) if entry.path else None
    spec = spec_of(name, entry, folder, chat=subject.has_chat)
    if entry.kind == "nla" and folder is not None:
        _check_sidecar(name, entry, folder, subject)
    speaker = speaker_of(engine, name, entry, folder)
    reader = assemble(name, entry, spec, subject, speaker, folder or engine.folder / "readers" / name)
    check_itself(reader)
    return reader


def assemble(
    name: str, entry: ReaderEntry, spec: InjectionSpec, subject: Subject, speaker: Subject, folder: Path
) -> InjectionReader:
    """Put a reader together from its loaded parts; raise WorkbenchError where they do not fit."""
    prompt = prompt_of(name, spec, speaker, entry.layer)
    _check_room(name, prompt, speaker)
    # A reader's own view of what may be shared: its texts end, and stand, otherwise.
    speaker = copy.copy(speaker)
    speaker.eos_id, speaker.frame = prompt.end, (spec.lead, spec.tail)
    vector_map = _map(spec, folder)
    _check_width(name, subject, speaker, vector_map)
    whole = msgspec.json.encode(spec).decode() + speaker.fingerprint + fingerprints.of_text(str(prompt))
    return InjectionReader(
        name, subject, speaker, entry.layer, entry.sae, folder, spec, prompt,
        _injection(name, spec, speaker, entry.layer), vector_map, fingerprints.of_text(whole),
    )  # fmt: skip


def _injection(name: str, spec: InjectionSpec, speaker: Subject, layer: int) -> Injection:
    if spec.operation == "insert":
        raise WorkbenchError(f"{name} would insert rows, which soft-prompt readers alone do.", "Use replace or add.")
    number = layer if spec.block == -1 else spec.block
    if spec.site != "embedding" and not 0 <= number < len(speaker.blocks):
        raise WorkbenchError(
            f"{name} injects at block {number}, but what it speaks through has blocks 0 to {len(speaker.blocks) - 1}.",
            f"Mend `block` in [readers.{name}.injection].",
        )
    block = None if spec.site == "embedding" else speaker.blocks[number]
    return Injection(spec.operation, spec.norm, spec.scale, spec.site, block)


def _map(spec: InjectionSpec, folder: Path) -> VectorMap:
    if not spec.vector_map:
        return VectorMap()
    file = folder / spec.vector_map
    table = torch.load(file, map_location="cpu", weights_only=True) if file.suffix == ".pt" else files.tensors(file)
    weight = next((value for key, value in table.items() if key.split(".")[-1] == "weight"), None)
    if weight is None or weight.dim() != 2:
        raise WorkbenchError(f"{file} holds no weight of a linear map.", "Give safetensors with `weight` [out, in].")
    bias = next((value for key, value in table.items() if key.split(".")[-1] == "bias"), None)
    return VectorMap(weight.float(), None if bias is None else bias.float())


def _check_room(name: str, prompt: Prompt, speaker: Subject) -> None:
    length = len(prompt.ids) + len(prompt.opening)
    if length + 2 > speaker.context:
        raise WorkbenchError(
            f"The prompt of {name} has {length} tokens, but what it speaks through reads {speaker.context}.",
            "Give a shorter prompt.",
        )


def _check_width(name: str, subject: Subject, speaker: Subject, vector_map: VectorMap) -> None:
    taken = speaker.width if vector_map.weight is None else vector_map.weight.shape[1]
    given = speaker.width if vector_map.weight is None else vector_map.weight.shape[0]
    if taken != subject.width or given != speaker.width:
        raise WorkbenchError(
            f"The reader {name} takes vectors of width {taken}, but {subject.name} has width {subject.width}.",
            f"Give [readers.{name}] a reader of this model, or a vector_map.",
        )


def _check_sidecar(name: str, entry: ReaderEntry, folder: Path, subject: Subject) -> None:
    sidecar, layer = read_sidecar(folder), trained_at(entry, folder)
    if sidecar.role != "av":
        raise WorkbenchError(
            f"The directory of {name} holds a reconstructor ({SIDECAR} says role {sidecar.role}), not a verbalizer.",
            "Name it as `reconstructor`, and give the verbalizer's directory as `path`.",
        )
    if sidecar.width != subject.width:
        raise WorkbenchError(
            f"The reader {name} takes vectors of width {sidecar.width}, but {subject.name} has width {subject.width}.",
            f"Give [readers.{name}] a verbalizer of this model.",
        )
    if layer not in (-1, entry.layer):
        raise WorkbenchError(
            f"The reader {name} was trained on layer {layer}, but the workbench says {entry.layer}.",
            f"Write layer = {layer} in [readers.{name}].",
        )
    if sidecar.subject and subject.fingerprint and sidecar.subject != subject.fingerprint:
        raise WorkbenchError(
            f"The reader {name} was trained on another model than {subject.name} is.",
            "Train it anew with `investigator train verbalizer`, or open the model that it was trained on.",
        )
