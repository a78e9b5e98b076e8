"""`intervene`: latents ablated or a direction added at a place, dose by dose, beside random directions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from backends.base import Lane
from backends.engine import algebra, vectors
from backends.engine.intervening.downstream import Downstream
from backends.engine.intervening.sweep import Sweep
from backends.engine.readers.reader import open_reader, reader_name, readers_by_layer
from investigator.errors import BadInput, InvestigatorError
from investigator.records import DoseRow
from investigator.sources import Residual
from investigator.wire import Event, Finished, Intervene, Partial, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

ABLATIONS = (0.0, 0.5, 1.0, 2.0)
"""Default doses of an ablation: nothing, half, all of it, and as much again the other way."""
ADDITIONS = (0.0, 0.25, 0.5, 1.0)
"""Default doses of a direction, whose length is a latent's or a difference's own: about that of the activation."""
MOST_DOSES, MOST_RANDOMS, MOST_TOP, MOST_HYPOTHESES = 64, 64, 100, 64


def lane(engine: WorkbenchEngine, verb: Intervene) -> Lane:
    """Every dose runs the model."""
    return "model"


def resolve(engine: WorkbenchEngine, verb: Intervene) -> Intervene:
    """Fill in place, doses, SAE and reader; raise BadInput where there is nothing to change or no such place."""
    place = vectors.resolve(engine, verb.source)
    if not isinstance(place, Residual):
        raise BadInput("An intervention changes a place in a prompt, and this source is none.", "Name a prompt.")
    _check_numbers(verb)
    if bool(verb.ablate) == (verb.add is not None):
        raise BadInput(
            "An intervention either ablates latents or adds a direction.",
            "Name one: latents to ablate, or a source to add.",
        )
    verb = msgspec.structs.replace(verb, source=place, doses=_doses(verb), hypotheses=_hypotheses(verb))
    verb = _resolve_ablation(engine, verb, place) if verb.ablate else _resolve_addition(engine, verb, place)
    verb = msgspec.structs.replace(verb, continue_tokens=_room(engine, verb, place))
    return _resolve_reading(engine, verb, place) if verb.hypotheses else verb


def _check_numbers(verb: Intervene) -> None:
    if not all(math.isfinite(dose) for dose in verb.doses):
        raise BadInput("A dose is a number.", "Give doses such as 0, 0.5, 1.")
    limits = (
        (len(verb.doses), MOST_DOSES, "doses"),
        (len(verb.hypotheses), MOST_HYPOTHESES, "hypotheses"),
        (verb.randoms, MOST_RANDOMS, "random directions"),
        (verb.top, MOST_TOP, "tokens"),
    )
    for count, most, what in limits:
        if not 0 <= count <= most:
            raise BadInput(f"{count} {what} cannot be asked for.", f"Ask for 0 to {most}.")
    if verb.seed < 0 or verb.continue_tokens < 0:
        raise BadInput("The seed and the number of tokens to write cannot be negative.", "Give 0 or more.")


def _doses(verb: Intervene) -> tuple[float, ...]:
    given = verb.doses or (ABLATIONS if verb.ablate else ADDITIONS)
    # 0.0 + -0.0 is 0.0: one dose of nothing.
    return tuple(dict.fromkeys(0.0 + dose for dose in given))


def _hypotheses(verb: Intervene) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in verb.hypotheses))


def _resolve_ablation(engine: WorkbenchEngine, verb: Intervene, place: Residual) -> Intervene:
    sae = algebra.sae_at(engine, verb.sae, place.subject, place.layer)
    return msgspec.structs.replace(verb, sae=sae, ablate=algebra.checked_latents(engine, sae, verb.ablate))


def _resolve_addition(engine: WorkbenchEngine, verb: Intervene, place: Residual) -> Intervene:
    assert verb.add is not None
    added = vectors.resolve(engine, verb.add)
    # Of any layer: what one layer holds may be put into another, and the record says which.
    subject = vectors.place(added, engine)[0]
    if subject != place.subject:
        raise BadInput(
            f"A direction of {subject} cannot be added to {place.subject}.", "Carry it over with a map: map(NAME, ...)."
        )
    return msgspec.structs.replace(verb, add=added, sae="")


def _room(engine: WorkbenchEngine, verb: Intervene, place: Residual) -> int:
    return min(verb.continue_tokens, engine.parts.subject(place.subject).context - len(place.token_ids))


def _resolve_reading(engine: WorkbenchEngine, verb: Intervene, place: Residual) -> Intervene:
    reader = open_reader(engine, _reader(engine, verb.reader, place))
    length, first = len(place.token_ids), place.position
    last = length - 1 if verb.later or reader.layer > place.layer else (place.end or first + 1) - 1
    at = last if verb.read_at is None else verb.read_at + length if verb.read_at < 0 else verb.read_at
    if not 0 <= at < length:
        raise BadInput(f"There is no token {verb.read_at} to read at.", f"The prompt's tokens are 0 to {length - 1}.")
    return msgspec.structs.replace(verb, reader=reader.name, read_at=at)


def _reader(engine: WorkbenchEngine, name: str, place: Residual) -> str:
    if name:
        entry = engine.workbench.readers.get(name)
        layer = entry.layer if entry is not None and entry.layer >= 0 else place.layer
        found = reader_name(engine, name, place.subject, layer)
        if layer < place.layer:
            raise BadInput(
                f"{name} reads layer {layer}, which a change at layer {place.layer} does not reach.",
                f"Change layer {layer} or below, or name a reader of a later layer.",
            )
        return found
    by_layer = readers_by_layer(engine, place.subject)
    found_at = next((layer for layer in sorted(by_layer) if layer >= place.layer), None)
    if found_at is None:
        known = ", ".join(map(str, by_layer)) or "none"
        raise BadInput(
            f"No reader reads layer {place.layer} of {place.subject} or a later one.",
            f"Layers with a reader: {known}. Change one of them or below, or leave the hypotheses out.",
        )
    return by_layer[found_at]


def run(engine: WorkbenchEngine, verb: Intervene) -> Iterator[Event | None]:
    """Run unedited, then every dose, streaming rows."""
    sweep = Sweep(engine, verb)
    scores = Downstream(engine, verb) if verb.hypotheses else None
    yield from sweep.begin(scores)
    rows: list[DoseRow] = []
    for at, dose in enumerate(verb.doses):
        yield Progress(at, len(verb.doses), f"dose {dose:g}")
        try:
            row = yield from sweep.dose(dose, scores)
        except InvestigatorError as error:
            row = DoseRow(dose, error=str(error))
        rows.append(row)
        yield Partial((row,))
    yield Finished(sweep.result(tuple(rows), scores))
