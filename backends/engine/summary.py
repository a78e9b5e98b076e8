"""The summary: what a workbench names, told without loading what nobody has asked about yet."""

from __future__ import annotations

from backends.engine import facts
from backends.engine.parts import Parts
from investigator.provenance import ReaderSummary, SaeSummary, SubjectSummary, WorkbenchSummary


def summarise(parts: Parts, path: str) -> WorkbenchSummary:
    """Return the workbench by name: shapes from headers, labels counted."""
    bench = parts.workbench
    return WorkbenchSummary(
        name=bench.name,
        path=path,
        subjects=tuple(_subject(parts, name) for name in bench.subjects),
        saes=tuple(_sae(parts, name) for name in bench.saes),
        readers=tuple(_reader(parts, name) for name in bench.readers),
        example=bench.example,
    )


def _subject(parts: Parts, name: str) -> SubjectSummary:
    found = facts.of_subject(parts.workbench.subjects[name], parts.folder)
    return SubjectSummary(
        name=name,
        family=found.family,
        parameters=found.parameters,
        layers=found.layers,
        width=found.width,
        context=found.context,
        layer=parts.default_layer(name),
        chat=found.chat,
    )


def _sae(parts: Parts, name: str) -> SaeSummary:
    entry = parts.workbench.saes[name]
    return SaeSummary(
        name=name,
        subject=entry.subject,
        layer=entry.layer,
        latents=parts.latents(name),
        labelled=parts.labels(name).labelled,
    )


def _reader(parts: Parts, name: str) -> ReaderSummary:
    entry = parts.workbench.readers[name]
    return ReaderSummary(
        name=name,
        kind=entry.kind,
        subject=entry.subject,
        layer=entry.layer,
        sae=entry.sae,
        labels=len(parts.labels(entry.sae).texts) if entry.sae else 0,
    )
