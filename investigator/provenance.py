"""Provenance and summaries: what was asked of what, and what a workbench holds, by name."""

from __future__ import annotations

from investigator.records import Record


class Part(Record, frozen=True):
    """One part behind an answer: a model, an SAE, a label set or a reader."""

    name: str
    fingerprint: str
    """xxh3 of the part's bytes, computed by the engine."""
    revision: str = ""


class Provenance(Record, frozen=True):
    """What is needed to run an answer again and get the same bits."""

    protocol: int
    version: str
    build: str
    workbench: str
    parts: dict[str, Part]
    """subject, sae, labels, reader, statistics: those that the verb used."""
    device: str
    dtype: str
    threads: int
    seed: int | None
    libraries: dict[str, str]
    machine: str
    asked_at: str
    """ISO 8601, UTC."""
    plan: str = ""
    """The batch plan, where it can change the last bits."""


class SubjectSummary(Record, frozen=True):
    """A subject model of the workbench."""

    name: str
    family: str
    parameters: int
    layers: int
    width: int
    context: int
    layer: int
    """Default layer."""
    chat: bool = False


class SaeSummary(Record, frozen=True):
    """An SAE of the workbench."""

    name: str
    subject: str
    layer: int
    latents: int
    labelled: int


class ReaderSummary(Record, frozen=True):
    """A reader of the workbench."""

    name: str
    kind: str
    subject: str
    layer: int
    sae: str = ""
    labels: int = 0


class MapSummary(Record, frozen=True):
    """A linear map from one subject's layer to another's."""

    name: str
    kind: str
    source: str
    source_layer: int
    target: str
    target_layer: int
    cosine: float | None = None
    """Held-out cosine."""
    note: str = ""
    """Why it cannot be used, or that it is underdetermined."""


class WorkbenchSummary(Record, frozen=True):
    """What is loaded, by name."""

    name: str
    path: str
    subjects: tuple[SubjectSummary, ...] = ()
    saes: tuple[SaeSummary, ...] = ()
    readers: tuple[ReaderSummary, ...] = ()
    example: str = ""
    """A prompt worth a first look."""
    maps: tuple[MapSummary, ...] = ()
