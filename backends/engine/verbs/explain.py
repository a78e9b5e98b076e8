"""`explain`: texts drawn from a reader, scored, put in a diverse order (L2EL, appendix B), and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backends.base import Lane
from backends.engine import vectors
from backends.engine.controls.answers import drawn_score
from backends.engine.controls.artefacts import artefacts_of
from backends.engine.readers import scores
from backends.engine.readers.announcing import loads_weights, opening, plan_of
from backends.engine.readers.backgrounds import PART, background_of, filled
from backends.engine.readers.drawn import Drawing, longest
from backends.engine.readers.fidelity import meter_of
from backends.engine.readers.reader import open_reader, reader_name
from investigator.errors import BadInput
from investigator.records import ExplanationRow, Explanations, Score
from investigator.wire import Event, Explain, Finished, Partial, Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_MOST_SAMPLES = 1000


def lane(engine: WorkbenchEngine, verb: Explain) -> Lane:
    """Drawing runs the model."""
    return "model"


def plan(engine: WorkbenchEngine, verb: Explain) -> str:
    """Return the batch plan, for provenance."""
    return f"{verb.samples} samples a step; {plan_of(engine, verb.reader)}"


def resolve(engine: WorkbenchEngine, verb: Explain) -> Explain:
    """Fill in source and reader; raise BadInput where a sampling number makes no sense."""
    source = vectors.resolve(engine, verb.source)
    reader = reader_name(engine, verb.reader, *vectors.place(source, engine))
    _check("samples", verb.samples, 1, _MOST_SAMPLES)
    _check("temperature", verb.temperature, 0, 100)
    _check("top_p", verb.top_p, 1e-6, 1)
    _check("beta", verb.beta, 0, 1)
    _check("keep", verb.keep, 0, _MOST_SAMPLES)
    _check("seed", verb.seed, 0, 2**63 - 1)
    if loads_weights(engine, reader):
        return msgspec.structs.replace(verb, source=source, reader=reader)
    return msgspec.structs.replace(verb, source=source, reader=reader, max_tokens=_length(engine, verb, reader))


def _length(engine: WorkbenchEngine, verb: Explain, reader: str) -> int:
    """Return how many tokens a text may have; raise BadInput where they do not fit the context."""
    opened = open_reader(engine, reader)
    most = opened.speaker.context - opened.slots - 1
    wanted = longest(opened, verb.max_tokens)
    if wanted != verb.max_tokens:
        return min(wanted, most)
    _check("max_tokens", wanted, 1, most)
    return wanted


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise BadInput(f"{name} cannot be {value}.", f"Choose from {low:g} to {high:g}.")


def run(engine: WorkbenchEngine, verb: Explain) -> Iterator[Event | None]:
    """Draw all samples in one batch, streaming texts as they end; then score and order them, compare and judge."""
    if loads_weights(engine, verb.reader):
        yield from opening(engine, verb.reader)
        verb = msgspec.structs.replace(verb, max_tokens=_length(engine, verb, verb.reader))
    reader = open_reader(engine, verb.reader)
    vector = engine.vector(verb.source)
    reader.soft_of(vector)
    drawing = Drawing(reader, vector)
    yield from _draw(engine, drawing, verb)
    for _ in drawing.score():
        yield None
    assert drawing.prepared is not None
    errors = {drawing.prepared.texts[index]: error for index, error in drawing.prepared.errors.items()}
    picked = drawing.picked(verb)
    found = {text: _scored(drawing, text, errors) for text in drawing.order(picked)}
    rows = [_row(engine, drawing, text, score, rank) for rank, (text, score) in enumerate(found.items(), 1)]
    yield Partial(tuple(rows))
    yield from _back(engine, drawing, rows)
    yield from _compare(engine, drawing, rows, verb)
    yield Finished(Explanations(reader.name, verb.samples, len(rows), tuple(rows), drawing.note))


def _draw(engine: WorkbenchEngine, drawing: Drawing, verb: Explain) -> Iterator[Event | None]:
    for fresh in drawing.draw(verb, verb.seed):
        if fresh:
            yield Partial(tuple(_row(engine, drawing, text, Score(), 0) for text in fresh))
            yield Progress(drawing.counts.total(), verb.samples, drawing.note or "drawing explanations")
        yield None


def _back(engine: WorkbenchEngine, drawing: Drawing, rows: list[ExplanationRow]) -> Iterator[Event | None]:
    """Give every row its fidelity, in place, where the reader has a reconstructor, and stream them."""
    meter = meter_of(engine, drawing.reader)
    if meter is None or not rows:
        return
    yield Progress(0, 0, "reconstructing the activation from the texts")
    for found in meter.measure([row.text for row in rows], drawing.vector):
        if found is not None:
            rows[:] = [msgspec.structs.replace(row, fidelity=found[row.text]) for row in rows]
        yield None
    yield Partial(tuple(rows))


def _scored(drawing: Drawing, text: str, errors: dict[str, str]) -> Score:
    if text in errors:
        return scores.failed(errors[text])
    return scores.plain(drawing.scores[text], len(drawing.ids(text)) + 1)


def _row(engine: WorkbenchEngine, drawing: Drawing, text: str, score: Score, rank: int) -> ExplanationRow:
    sae = drawing.reader.sae
    labels = engine.parts.labels(sae) if sae else None
    verbatim = labels is not None and text in labels and labels.split_of(text) == "train"
    return ExplanationRow(text=text, score=score, count=drawing.counts[text], rank=rank, verbatim=verbatim)


def _compare(
    engine: WorkbenchEngine, drawing: Drawing, rows: list[ExplanationRow], verb: Explain
) -> Iterator[Event | None]:
    """Give the first rows, at most `keep`, their gap, p and verdict, in place, streaming each."""
    background = background_of(engine, drawing.reader)
    artefacts = artefacts_of(engine, drawing.reader) if verb.controls else None
    for place, row in enumerate(rows[: verb.keep]):
        if background is None or row.score.score is None:
            continue
        ids = drawing.ids(row.text)
        for done in filled(background, [ids], PART):
            yield None if done else Progress(place, min(verb.keep, len(rows)), "measuring backgrounds")
        values = background.scores(ids, PART)
        score = scores.against(row.score.score, row.score.tokens, values)
        if verb.controls and score.gap is not None:
            score = drawn_score(score, np.array(values), artefacts, verb)
        rows[place] = msgspec.structs.replace(row, score=score)
        yield Partial((rows[place],))
