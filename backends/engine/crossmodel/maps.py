"""The maps of a workbench: found, loaded and held against the subjects they lead from and to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.engine import facts, fingerprints, loading
from backends.engine.crossmodel import card as cards
from backends.engine.crossmodel.card import End, LinearMap, MapCard
from backends.engine.parts import Parts
from investigator.errors import BadInput, WorkbenchError
from investigator.records import MapFacts

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

PERMUTED = "/permuted"
"""After a map's name: the same map fitted on shuffled pairs, a control."""


def plain_name(name: str) -> str:
    """Return a map's name without the mark of its control."""
    return name.removesuffix(PERMUTED)


def map_name(engine: WorkbenchEngine, name: str, subject: str, layer: int) -> str:
    """Return a map's name, the first that leads from a place where none is given; raise BadInput where none does."""
    maps = engine.workbench.maps
    if not maps:
        raise BadInput(
            "The workbench has no map between models.",
            "Fit one with `investigator train map --from A:L --to B:M` and name it in a [maps.NAME] table.",
        )
    if name:
        if plain_name(name) not in maps:
            raise BadInput(f"The workbench has no map {name!r}.", f"It has: {', '.join(maps)}.")
        check_leads_from(engine, name, subject, layer)
        return name
    cards_by_name = {key: card_of(engine.parts, key) for key in maps}
    for key, found in cards_by_name.items():
        if (end_name(engine.parts, found.source), found.source.layer) == (subject, layer):
            return key
    ways = ", ".join(
        f"{key} from layer {one.source.layer} of {one.source.subject}" for key, one in cards_by_name.items()
    )
    raise BadInput(f"No map leads from layer {layer} of {subject}.", f"The workbench has: {ways}.")


def check_leads_from(engine: WorkbenchEngine, name: str, subject: str, layer: int) -> None:
    """Raise BadInput where a map does not lead from a place."""
    start = card_of(engine.parts, name).source
    if (end_name(engine.parts, start), start.layer) != (subject, layer):
        raise BadInput(
            f"The map {name} leads from layer {start.layer} of {start.subject}, not from layer {layer} of {subject}.",
            f"Ask at layer {start.layer} of {start.subject}, or name another map.",
        )


def card_of(parts: Parts, name: str) -> MapCard:
    """Return a map's card, read once."""
    name = plain_name(name)
    return parts.once("map card", name, lambda: cards.read_card(parts.path(parts.workbench.maps[name].path)))


def end_name(parts: Parts, end: End) -> str:
    """Return which subject of the workbench an end of a map is; raise WorkbenchError where there is none.

    A subject of the same name is meant; where there is none, one whose files have the same fingerprint.
    """
    if end.subject in parts.workbench.subjects:
        return end.subject
    for name in parts.workbench.subjects:
        if _print(parts, name) == end.fingerprint:
            return name
    raise WorkbenchError(
        f"A map leads from or to {end.subject}, which the workbench does not have.",
        f"Add a [subjects.{end.subject}] table; it has: {', '.join(parts.workbench.subjects)}.",
    )


def open_map(engine: WorkbenchEngine, name: str) -> LinearMap:
    """Return a map, loaded once and held against both subjects; raise WorkbenchError where it does not fit them."""
    return engine.parts.once("map", plain_name(name), lambda: _load(engine.parts, plain_name(name)))


def _load(parts: Parts, name: str) -> LinearMap:
    check_fits(parts, name)
    return cards.load(parts.path(parts.workbench.maps[name].path))


def check_fits(parts: Parts, name: str) -> None:
    """Raise WorkbenchError where a map was fitted on other models than the workbench has, reading no weights."""
    card = card_of(parts, name)
    for end in (card.source, card.target):
        subject = end_name(parts, end)
        shape = facts.of_subject(parts.workbench.subjects[subject], parts.folder)
        if shape.width != end.width:
            raise WorkbenchError(
                f"The map {name} was fitted on {subject} of width {end.width}, but it has width {shape.width}.",
                f"Fit it anew with `investigator train map`, or mend [maps.{name}].",
            )
        if not 0 <= end.layer < shape.layers:
            raise WorkbenchError(
                f"The map {name} stands at layer {end.layer} of {subject}, whose layers are 0 to {shape.layers - 1}.",
                "Fit it anew with `investigator train map`.",
            )
        if _print(parts, subject) != end.fingerprint:
            raise WorkbenchError(
                f"The map {name} was fitted on another revision of {subject}: its fingerprint is {end.fingerprint}, "
                f"the workbench's {_print(parts, subject)}.",
                "Fit it anew with `investigator train map`, or open the revision it was fitted on.",
            )


def _print(parts: Parts, subject: str) -> str:
    entry = parts.workbench.subjects[subject]
    return parts.once(
        "print", f"subject {subject}", lambda: fingerprints.of_folder(loading.resolve(entry, parts.folder)[0])
    )


def facts_of(engine: WorkbenchEngine, name: str) -> MapFacts:
    """Return what a result says of a map."""
    card, parts = card_of(engine.parts, name), engine.parts
    return MapFacts(
        name=name,
        kind=card.kind,
        source=end_name(parts, card.source),
        source_layer=card.source.layer,
        target=end_name(parts, card.target),
        target_layer=card.target.layer,
        sentences=card.sentences,
        penalty=card.penalty,
        cosine=card.worth.cosine,
        mean_cosine=card.worth.mean_cosine,
        variance=card.worth.variance,
        permuted=card.worth.permuted,
        underdetermined=card.underdetermined,
    )
