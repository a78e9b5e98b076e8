"""The best label of a reader's set at many places: chosen by the label index where there is one, else proven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from backends.engine.index.label_index import LabelIndex, index_of
from backends.engine.readers import label_means, scores
from backends.engine.readers.label_stages import Ranking
from backends.engine.readers.prepared import Prepared, prepared_labels
from backends.engine.readers.reader import Reader
from backends.engine.sweeping.columns import Columns, Steps
from backends.engine.sweeping.greedy import pair_values
from backends.engine.sweeping.scored import against_background
from investigator.errors import WorkbenchError
from investigator.records import LabelRow, Score, SweepCell
from investigator.wire import Progress, RankLabels

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

CANDIDATES = 16
"""Labels that the index chooses in a cell, of which the one with the largest exact gap is shown."""
_BLOCK = 32
_NONE = "No label of the set can be scored here."


@dataclass(frozen=True)
class Labelled:
    """One cell a readable token, and how the labels were chosen."""

    cells: list[SweepCell]
    exact: bool = True
    recall: float | None = None
    note: str = ""


def labelled(engine: WorkbenchEngine, reader: Reader, columns: Columns) -> Steps[Labelled]:
    """Return the best label by gap at every readable token, or by score where the layer has no background."""
    index, trouble = _index(engine, reader)
    if index is None:
        cells = yield from _proven(engine, reader, columns)
        return Labelled(cells, note=trouble)
    cells = yield from _estimated(engine, reader, index, columns.vectors)
    return Labelled(cells, exact=False, recall=index.card.gap.estimate)


def _index(engine: WorkbenchEngine, reader: Reader) -> tuple[LabelIndex | None, str]:
    if not reader.indexed or not reader.sae:
        return None, ""
    try:
        return index_of(engine, reader, engine.parts.labels(reader.sae).list_fingerprint), ""
    except WorkbenchError as error:
        return None, f"not using the index: {error.message}"


# Without an index


def _proven(engine: WorkbenchEngine, reader: Reader, columns: Columns) -> Steps[list[SweepCell]]:
    prepared = prepared_labels(engine, reader)
    measured = engine.workbench.subjects[reader.subject.name].statistics
    cells = []
    for at, position in enumerate(columns.readable):
        place = msgspec.structs.replace(columns.place, position=position, end=None)
        verb = RankLabels(place, reader.name, "gap" if measured else "score", limit=1, method="proven", controls=False)
        ranking = Ranking(engine, reader, verb, prepared)
        yield at, "looking for the best label"
        for event in ranking.stages(reader.soft(columns.vectors[at : at + 1])):
            yield (at, event.message) if isinstance(event, Progress) else None
        cells.append(_cell(ranking.result().rows))
        yield list(cells)
    return cells


def _cell(rows: tuple[LabelRow, ...]) -> SweepCell:
    return SweepCell(rows[0].score, rows[0].text) if rows else SweepCell(scores.failed(_NONE))


# With an index


def _estimated(engine: WorkbenchEngine, reader: Reader, index: LabelIndex, vectors: Tensor) -> Steps[list[SweepCell]]:
    prepared = prepared_labels(engine, reader)
    best: list[tuple[int, float]] = []
    for start in range(0, len(vectors), _BLOCK):
        best += yield from _best(reader, index, prepared, vectors, range(start, min(start + _BLOCK, len(vectors))))
    told = yield from _judged(engine, reader, prepared, best)
    texts = [prepared.texts[int(prepared.valid[label])] for label, _ in best]
    return [SweepCell(score, text) for score, text in zip(told, texts, strict=True)]


def _best(
    reader: Reader, index: LabelIndex, prepared: Prepared, vectors: Tensor, block: range
) -> Steps[list[tuple[int, float]]]:
    """Return each cell's label, by its place in the plan, and its exact score."""
    chosen: list[Tensor] = []
    for at in block:
        yield at, "estimating labels"
        here = vectors[at : at + 1]
        with torch.inference_mode():
            inputs = reader.mapper.inputs(here.to(reader.subject.device, torch.float32))[0].cpu()
        refiner = index.refiner(reader, inputs, reader.soft_prompts(here), by_score=False)
        chosen.append(refiner.next(CANDIDATES))
    labels = torch.stack(chosen)
    sources = [at for at in block for _ in range(labels.shape[1])]
    texts = [prepared.ids[label] for label in labels.flatten().tolist()]
    yield block.stop, "scoring the best candidates"
    values = torch.tensor((yield from pair_values(reader, vectors, sources, texts)), dtype=torch.float64)
    values = values.view(labels.shape)
    places = torch.nan_to_num(values - index.means[labels], nan=-torch.inf).argmax(1)
    rows = torch.arange(len(labels))
    return list(zip(labels[rows, places].tolist(), values[rows, places].tolist(), strict=True))


def _judged(
    engine: WorkbenchEngine, reader: Reader, prepared: Prepared, best: list[tuple[int, float]]
) -> Steps[list[Score]]:
    """Return the labels' scores beside their background: shipped with the reader, or measured for these labels."""
    ids = [prepared.ids[label] for label, _ in best]
    means = label_means.label_means(engine, reader)
    if means is None or means.scores is None:
        found = yield from against_background(engine, reader, ids, [value for _, value in best])
        return found
    rows = [means.scores[int(prepared.valid[label])].tolist() for label, _ in best]
    return [scores.against(value, len(one) + 1, row) for one, (_, value), row in zip(ids, best, rows, strict=True)]
