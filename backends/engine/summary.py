"""The summary: what a workbench names, told without loading what nobody has asked about yet."""

from __future__ import annotations

from backends.engine import facts
from backends.engine.parts import Parts
from investigator.errors import WorkbenchError
from investigator.provenance import MapSummary, ReaderSummary, SaeSummary, SubjectSummary, WorkbenchSummary


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
        maps=tuple(_map(parts, name) for name in bench.maps),
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
        labelled=parts.label_counts(name)[0],
    )


def _reader(parts: Parts, name: str) -> ReaderSummary:
    entry = parts.workbench.readers[name]
    return ReaderSummary(
        name=name,
        kind=entry.kind,
        subject=entry.subject,
        layer=entry.layer,
        sae=entry.sae,
        labels=parts.label_counts(entry.sae)[1] if entry.sae else 0,
    )


def _map(parts: Parts, name: str) -> MapSummary:
    """Return what a map's card says, without its weights; where it does not fit, the reason is its note."""
    from backends.engine.crossmodel import maps

    try:
        card = maps.card_of(parts, name)
    except WorkbenchError as error:
        return MapSummary(name, "", "", -1, "", -1, note=str(error))
    try:
        maps.check_fits(parts, name)
        source, target = (maps.end_name(parts, end) for end in (card.source, card.target))
        note = "underdetermined" if card.underdetermined else ""
    except WorkbenchError as error:
        source, target, note = card.source.subject, card.target.subject, str(error)
    return MapSummary(name, card.kind, source, card.source.layer, target, card.target.layer, card.worth.cosine, note)
