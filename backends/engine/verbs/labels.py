"""`labels`: every label, or the user's own sentences, scored under one source, with the SAE's activation beside it.

Score, gap and p as `investigator.records.Score` says; the frontier is L2EL's figure 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import torch

from backends.base import Lane
from backends.engine import filters, vectors
from backends.engine.readers.announcing import opening, plan_of
from backends.engine.readers.label_stages import Ranking
from backends.engine.readers.label_table import BOUNDS, LabelTable
from backends.engine.readers.prepared import Prepared, prepare, prepared_before, prepared_labels
from backends.engine.readers.reader import Reader, open_reader, reader_name
from investigator.errors import BadInput
from investigator.wire import Event, Finished, RankLabels

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST_ROWS = 100_000
_MOST_SENTENCES = 20_000


def lane(engine: WorkbenchEngine, verb: RankLabels) -> Lane:
    """Scoring runs the model."""
    return "model"


def plan(engine: WorkbenchEngine, verb: RankLabels) -> str:
    """Return the batch plan, for provenance."""
    return plan_of(engine, verb.reader)


def resolve(engine: WorkbenchEngine, verb: RankLabels) -> RankLabels:
    """Fill in source, reader and order; raise BadInput where there is nothing to rank.

    Without layer statistics there is no gap, so the order `gap` becomes `score`.
    """
    source = vectors.resolve(engine, verb.source)
    reader = reader_name(engine, verb.reader, *vectors.place(source, engine))
    filters.parse(verb.filter, BOUNDS)
    if not 1 <= verb.limit <= _MOST_ROWS:
        raise BadInput(f"{verb.limit} rows cannot be shown.", f"Ask for 1 to {_MOST_ROWS}.")
    _check_texts(engine, verb, reader)
    measured = engine.workbench.subjects[vectors.place(source, engine)[0]].statistics
    order = verb.order if measured or verb.order != "gap" else "score"
    return msgspec.structs.replace(verb, source=source, reader=reader, order=order)


def _check_texts(engine: WorkbenchEngine, verb: RankLabels, reader: str) -> None:
    if verb.labels is not None:
        if not verb.labels:
            raise BadInput("There are no sentences to rank.", "Give at least one, one a line.")
        if len(verb.labels) > _MOST_SENTENCES:
            raise BadInput(f"{len(verb.labels)} sentences are too many at once.", f"Give at most {_MOST_SENTENCES}.")
    elif not (sae := engine.parts.reader_entry(reader).sae) or not engine.workbench.saes[sae].labels:
        raise BadInput(f"The reader {reader} has no label set to rank.", "Rank your own sentences, or name its SAE.")


def first(engine: WorkbenchEngine, verb: RankLabels) -> Iterator[Event]:
    """Estimate the ranking where an index is open already; what would have to be loaded first waits for its turn."""
    if verb.method == "exact" or not engine.parts.known("reader", verb.reader):
        return
    reader = open_reader(engine, verb.reader)
    if verb.labels is not None or not prepared_before(engine, reader):
        return
    ranking = Ranking(engine, reader, verb, prepared_labels(engine, reader))
    if not ranking.index_is_open():
        return
    ranking.open_index()
    if ranking.index is None:
        return  # it has been taken away, or is being made again; the ranking itself says so
    _activations(engine, reader, verb, ranking.table)
    yield from ranking.estimated()


def run(engine: WorkbenchEngine, verb: RankLabels) -> Iterator[Event | None]:
    """Stream the best rows, estimated and then exact; end with all that was asked."""
    yield from opening(engine, verb.reader)
    reader = open_reader(engine, verb.reader)
    soft = reader.soft_of(engine.vector(verb.source))
    yield None
    prepared = prepared_labels(engine, reader) if verb.labels is None else _own(reader, verb.labels)
    ranking = Ranking(engine, reader, verb, prepared)
    _activations(engine, reader, verb, ranking.table)
    yield from ranking.stages(soft)
    yield Finished(ranking.result())


def _own(reader: Reader, sentences: tuple[str, ...]) -> Prepared:
    return prepare(reader.speaker, [text.strip() for text in sentences], slots=reader.slots)


def _activations(engine: WorkbenchEngine, reader: Reader, verb: RankLabels, table: LabelTable) -> None:
    """Put the SAE's activations beside the labels, where the reader names an SAE of its layer."""
    if not reader.sae or engine.workbench.saes[reader.sae].layer != reader.layer:
        return
    with torch.inference_mode():
        encoded = engine.parts.sae(reader.sae).encode_sparse(engine.vector(verb.source)[None])
    latents, activations, _ = encoded.at(0)
    table.activations(engine.parts.labels(reader.sae), latents, activations)
