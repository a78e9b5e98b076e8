"""`compare`: what one model's readers say of another model's vector, through a linear map (cross-model NLA)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from backends.base import Lane
from backends.engine import vectors
from backends.engine.crossmodel import carry, maps
from backends.engine.crossmodel.comparing import Comparison
from backends.engine.readers.announcing import plan_of
from backends.engine.readers.reader import reader_name
from backends.engine.verbs import explain
from investigator.errors import BadInput
from investigator.sources import Mapped, Mean
from investigator.wire import Compare, Event, Explain

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST_OTHERS = 256


def lane(engine: WorkbenchEngine, verb: Compare) -> Lane:
    """Drawing and scoring run both models."""
    return "model"


def plan(engine: WorkbenchEngine, verb: Compare) -> str:
    """Return the batch plans of both sides, for provenance."""
    return "; ".join(dict.fromkeys(plan_of(engine, reader) for reader in (verb.own, *verb.readers)))


def resolve(engine: WorkbenchEngine, verb: Compare) -> Compare:
    """Fill in source, map and readers; raise BadInput where they do not meet or a number makes no sense."""
    source = vectors.resolve(engine, verb.source)
    subject, layer = vectors.place(source, engine)
    carry.check_weight(verb.wash)
    if not 0 <= verb.others <= _MOST_OTHERS:
        raise BadInput(f"{verb.others} other sources cannot be read.", f"Choose from 0 to {_MOST_OTHERS}.")
    if not verb.methods:
        raise BadInput("No method is named.", "Name drawn, labels or both.")
    own = reader_name(engine, verb.own, subject, layer)
    there = carry.resolve(engine, Mapped(source, verb.map, verb.wash))
    target = carry.place(engine, there)
    sampled = Explain(Mean(subject, layer), own, verb.samples, verb.temperature, verb.top_p, verb.max_tokens)
    explain.resolve(engine, msgspec.structs.replace(sampled, keep=verb.keep, seed=verb.seed))
    if verb.keep < 1:
        raise BadInput("A reading keeps one text at least.", "Give --keep 1 or more.")
    readers = tuple(reader_name(engine, name, *target) for name in verb.readers) or _all_readers(engine, *target)
    return msgspec.structs.replace(
        verb, source=source, map=there.map, own=own, readers=readers, methods=tuple(dict.fromkeys(verb.methods))
    )


def _all_readers(engine: WorkbenchEngine, subject: str, layer: int) -> tuple[str, ...]:
    """Return every reader of a place, the default one first; raise BadInput where there is none."""
    first = reader_name(engine, "", subject, layer)
    entries = engine.workbench.readers.items()
    rest = [name for name, entry in entries if (entry.subject, entry.layer) == (subject, layer) and name != first]
    return (first, *rest)


def run(engine: WorkbenchEngine, verb: Compare) -> Iterator[Event | None]:
    """Read, column by column, streaming the rows as they fill; then reckon lift, and read the controls."""
    maps.open_map(engine, verb.map)
    yield from Comparison(engine, verb).steps()
