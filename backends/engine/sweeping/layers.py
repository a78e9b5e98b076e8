"""Which reader reads which layer of a sweep, and one layer's row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from backends.engine import vectors
from backends.engine.readers.reader import Reader, open_reader, reader_name, readers_by_layer
from backends.engine.sweeping.columns import Columns, Steps, Told, columns
from backends.engine.sweeping.greedy import greedy
from backends.engine.sweeping.labelled import Labelled, labelled
from backends.engine.sweeping.scored import scored
from investigator.errors import BadInput
from investigator.provenance import Part
from investigator.records import SweepCell, SweepRow
from investigator.sources import Residual
from investigator.wire import Sweep
from investigator.workbench import UNTRAINED

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Method = Literal["score", "labels", "greedy", "activation"]


def readers_of(engine: WorkbenchEngine, verb: Sweep, subject: str) -> dict[int, str]:
    """Return the reader of every layer that is swept; raise BadInput where a layer has none, or the reader is unfit."""
    named = dict.fromkeys(vectors.resolve_layer(engine, subject, layer) for layer in verb.layers)
    if not verb.reader:
        default = readers_by_layer(engine, subject)
        if not default and not named:
            raise BadInput(
                f"No reader of the workbench reads {subject}.", f"Name one that needs no training: {_untrained()}."
            )
        return {layer: reader_name(engine, "", subject, layer) for layer in sorted(named or default)}
    own = engine.parts.reader_entry(verb.reader).layer
    every = range(engine.parts.subject(subject).layers) if own == -1 else (own,)
    return {layer: reader_name(engine, verb.reader, subject, layer) for layer in sorted(named or every)}


def _untrained() -> str:
    return ", ".join(UNTRAINED)


def has_labels(engine: WorkbenchEngine, reader: str) -> bool:
    """Return whether a reader names an SAE whose latents have labels."""
    sae = engine.parts.reader_entry(reader).sae
    return bool(sae and engine.workbench.saes[sae].labels)


def method_of(engine: WorkbenchEngine, verb: Sweep, reader: str) -> Method:
    """Return how a reader's cells are made."""
    if verb.text:
        return "score"
    if verb.method != "auto":
        return verb.method
    trained = engine.parts.reader_entry(reader).kind == "soft_prompt"
    return "labels" if trained and has_labels(engine, reader) else "greedy"


def parts_of(engine: WorkbenchEngine, verb: Sweep, prints: Callable[[str], str]) -> Iterator[tuple[str, Part]]:
    """Yield what is behind a resolved sweep: the reader of every layer, by its fingerprint, labels and statistics."""
    assert isinstance(verb.source, Residual)
    if verb.latent is not None:
        return
    for layer, name in readers_of(engine, verb, verb.source.subject).items():
        if not verb.reader:  # which is a part of its own
            yield f"reader of layer {layer}", Part(name, prints(name))
        sae = engine.parts.reader_entry(name).sae
        if not verb.text and has_labels(engine, name):
            yield f"labels of {sae}", Part(sae, engine.parts.labels(sae).fingerprint)
    file = engine.workbench.subjects[verb.source.subject].statistics
    if file:
        yield "statistics", Part(file, engine.parts.layer_statistics(verb.source.subject).fingerprint)


def row(engine: WorkbenchEngine, verb: Sweep, place: Residual, name: str) -> Generator[SweepRow | Told, None, SweepRow]:
    """Return one layer's row by a reader; yields it as far as it has come, too, where its cells take their time."""
    found, reader = columns(engine, place), open_reader(engine, name)
    method = method_of(engine, verb, name)
    blank = SweepRow(place.layer, name, method, place.position)
    yield None
    with contextlib.closing(_read(engine, verb, reader, found, method)) as steps:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return _whole(blank, found, end.value)
            if isinstance(step, list):
                yield msgspec.structs.replace(blank, cells=found.filled(step))
            else:
                yield step


def _whole(blank: SweepRow, found: Columns, read: Labelled) -> SweepRow:
    return msgspec.structs.replace(
        blank,
        cells=found.filled(read.cells),
        stage="exact" if read.exact else "estimate",
        recall=read.recall,
        note=read.note,
    )


def _read(engine: WorkbenchEngine, verb: Sweep, reader: Reader, found: Columns, method: Method) -> Steps[Labelled]:
    if not len(found.vectors):
        return Labelled([])
    if method == "labels":
        return (yield from labelled(engine, reader, found))
    if method == "greedy":
        return Labelled((yield from greedy(engine, reader, found.vectors)))
    return Labelled((yield from scored(engine, reader, verb.text, found.vectors)))


def latent_row(engine: WorkbenchEngine, verb: Sweep, place: Residual) -> SweepRow:
    """Return the activations of one latent over the tokens."""
    assert verb.latent is not None
    found, sae = columns(engine, place), engine.parts.sae(verb.sae)
    encoded = engine.captures.get(engine.parts.subject(place.subject), place.token_ids).encoded(sae)
    cells = []
    for position in found.readable:
        latents, activations, _ = encoded.at(position)
        cells.append(SweepCell(activation=float(activations[latents == verb.latent].sum())))
    return SweepRow(place.layer, method="activation", first=place.position, cells=found.filled(cells))
