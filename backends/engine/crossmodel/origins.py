"""What stands behind answers about two models: the map, the other model, and the readers on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.engine import fingerprints
from backends.engine.crossmodel import maps
from backends.engine.crossmodel.card import CARD, WEIGHTS
from backends.engine.readers.weights import folder_of
from investigator.provenance import Part
from investigator.sources import Mapped, Source
from investigator.wire import Compare, Verb

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def parts(engine: WorkbenchEngine, verb: Verb, sources: tuple[Source, ...]) -> dict[str, Part]:
    """Return the fingerprints of maps, of the models they lead from and to, and of a comparison's readers."""
    names = [source.map for source in sources if isinstance(source, Mapped)]
    names += [verb.map] if isinstance(verb, Compare) else []
    found: dict[str, Part] = {}
    for at, name in enumerate(dict.fromkeys(map(maps.plain_name, names))):
        role = "map" if not at else f"map {at + 1}"
        found[role] = Part(name, _print(engine, name))
        for way, end in (("source model", "source"), ("target model", "target")):
            card = getattr(maps.card_of(engine.parts, name), end)
            subject = engine.parts.subject(maps.end_name(engine.parts, card))
            found.setdefault(way, Part(subject.name, subject.fingerprint, subject.revision))
    if isinstance(verb, Compare):
        for role, reader in (("own reader", verb.own), *((f"reader {name}", name) for name in verb.readers)):
            found[role] = Part(reader, _reader(engine, reader))
    return found


def _reader(engine: WorkbenchEngine, name: str) -> str:
    """Return the fingerprint of a reader's files and of what its entry changes, without loading any weights."""
    entry = engine.parts.reader_entry(name)
    if not entry.path:
        return fingerprints.of_text(f"{entry.kind} {sorted(entry.injection.items())}")
    folder = folder_of(entry.path, entry.revision, engine.folder)
    own = engine.parts.once("print", f"files of reader {name}", lambda: fingerprints.of(folder))
    return own if not entry.injection else fingerprints.of_text(f"{own} {sorted(entry.injection.items())}")


def _print(engine: WorkbenchEngine, name: str) -> str:
    folder = engine.parts.path(engine.workbench.maps[name].path)
    return engine.parts.once(
        "print",
        f"map {name}",
        lambda: fingerprints.of_text(f"{fingerprints.of_file(folder / WEIGHTS)} {fingerprints.of_file(folder / CARD)}"),
    )
