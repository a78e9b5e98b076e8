"""`sweep`: every token of a prompt at every layer, by any reader, one row a layer."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from backends.base import Lane
from backends.engine import algebra, vectors
from backends.engine.readers.announcing import opening, plan_of
from backends.engine.sweeping.columns import Told as Step
from backends.engine.sweeping.columns import end_of
from backends.engine.sweeping.layers import has_labels, latent_row, readers_of, row
from investigator.errors import BadInput, InvestigatorError
from investigator.records import SweepRow, Swept
from investigator.sources import Residual
from investigator.wire import Event, Finished, Partial, Progress, Sweep

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

T = TypeVar("T")
Told = Generator[Event | None, None, T]
MOST_CELLS = 20_000
"""Layers times tokens of one sweep."""


def lane(engine: WorkbenchEngine, verb: Sweep) -> Lane:
    """A latent is read off a prompt that is captured; everything else runs the model."""
    assert isinstance(verb.source, Residual)
    held = engine.captures.held(verb.source.subject, verb.source.token_ids)
    return "fast" if verb.latent is not None and held else "model"


def plan(engine: WorkbenchEngine, verb: Sweep) -> str:
    """Return the batch plans, for provenance."""
    return "; ".join(dict.fromkeys(filter(None, (_plan(engine, name) for name in _readers(engine, verb).values()))))


def _plan(engine: WorkbenchEngine, reader: str) -> str:
    """Return a reader's batch plan; nothing where it does not load, which its row will say."""
    try:
        return plan_of(engine, reader)
    except InvestigatorError:
        return ""


def resolve(engine: WorkbenchEngine, verb: Sweep) -> Sweep:
    """Fill in prompt, layers and SAE; raise BadInput where there is nothing to sweep, or a layer has no reader."""
    place = vectors.resolve(engine, verb.source)
    if not isinstance(place, Residual):
        raise BadInput("A sweep goes over the tokens of a prompt, and this source is none.", "Name a prompt.")
    if verb.text and not verb.text.strip():
        raise BadInput("There is no text to sweep.", "Type a sentence, or leave it out for the readers' own words.")
    verb = msgspec.structs.replace(verb, source=place, text=verb.text.strip())
    verb = _resolve_latent(engine, verb, place) if verb.latent is not None else _resolve_readers(engine, verb, place)
    cells = len(verb.layers) * (end_of(place) - place.position)
    if cells > MOST_CELLS:
        raise BadInput(
            f"{cells:,} cells are too many for one sweep, which holds {MOST_CELLS:,}.", "Name fewer layers or a span."
        )
    return verb


def _resolve_latent(engine: WorkbenchEngine, verb: Sweep, place: Residual) -> Sweep:
    assert verb.latent is not None
    if verb.text or verb.reader:
        raise BadInput("A latent is swept by its SAE alone.", "Leave out the text and the reader.")
    own = [name for name, entry in engine.workbench.saes.items() if entry.subject == place.subject]
    name = verb.sae or (own[0] if own else engine.parts.sae_name("", place.subject, place.layer))
    layer = engine.workbench.saes[engine.parts.sae_name(name, place.subject, -1)].layer
    algebra.checked_latents(engine, algebra.sae_at(engine, name, place.subject, layer), (verb.latent,))
    if verb.layers not in ((), (layer,)):
        raise BadInput(f"{name} reads layer {layer} alone.", "Leave the layers out.")
    return msgspec.structs.replace(verb, sae=name, layers=(layer,))


def _resolve_readers(engine: WorkbenchEngine, verb: Sweep, place: Residual) -> Sweep:
    if verb.sae:
        raise BadInput("An SAE is named, but no latent of it.", "Name the latent as well.")
    found = readers_of(engine, verb, place.subject)
    without = [name for name in found.values() if not has_labels(engine, name)]
    if verb.method == "labels" and not verb.text and without:
        raise BadInput(
            f"The reader {without[0]} has no label set to choose from.",
            "Give a text to score, or take its likeliest words: method greedy.",
        )
    return msgspec.structs.replace(verb, layers=tuple(found))


def _readers(engine: WorkbenchEngine, verb: Sweep) -> dict[int, str]:
    assert isinstance(verb.source, Residual)
    return {} if verb.latent is not None else readers_of(engine, verb, verb.source.subject)


def run(engine: WorkbenchEngine, verb: Sweep) -> Iterator[Event | None]:
    """Read layer by layer, each sent as a row; a layer that fails is a row that says why."""
    assert isinstance(verb.source, Residual)
    engine.vector(verb.source)
    yield None
    width, readers = end_of(verb.source) - verb.source.position, _readers(engine, verb)
    rows: list[SweepRow] = []
    for at, layer in enumerate(verb.layers):
        before, total = at * width, width * len(verb.layers)
        yield Progress(before, total, f"layer {layer}")
        place = msgspec.structs.replace(verb.source, layer=layer)
        made = yield from _row(engine, verb, place, readers.get(layer, ""), (before, total))
        rows.append(made)
        yield Partial((made,))
    first, end = verb.source.position, end_of(verb.source)
    yield Finished(Swept(verb.source.subject, verb.text, first, end, tuple(rows), verb.sae, verb.latent))


def _row(engine: WorkbenchEngine, verb: Sweep, place: Residual, reader: str, cells: tuple[int, int]) -> Told[SweepRow]:
    """Return one layer's row; `cells` are those before it, and all."""
    try:
        if verb.latent is not None:
            return latent_row(engine, verb, place)
        yield from opening(engine, reader)
        return (yield from _told(row(engine, verb, place, reader), f"layer {place.layer}", *cells))
    except InvestigatorError as error:
        return SweepRow(place.layer, reader, first=place.position, error=str(error))


def _told(steps: Generator[SweepRow | Step, None, SweepRow], where: str, before: int, total: int) -> Told[SweepRow]:
    """Run steps to their end, saying how far they are."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                made: SweepRow = end.value
                return made
            if isinstance(step, SweepRow):
                yield Partial((step,))
            else:
                yield Progress(before + step[0], total, f"{where}: {step[1]}") if step else None
