"""`explain`: texts drawn from a reader, scored, and put in a diverse order (L2EL, appendix B)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import torch

from backends.base import Lane
from backends.engine import vectors
from backends.engine.likelihood.states import one_prefix
from backends.engine.mmr import diverse
from backends.engine.readers import scores
from backends.engine.readers.backgrounds import PART, background_of, filled
from backends.engine.readers.prepared import Prepared, plan_name, prepare, score_prepared
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.sampling import draw
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
    return f"{verb.samples} samples a step; {plan_name(open_reader(engine, verb.reader).subject)}"


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
    opened = open_reader(engine, reader)
    _check("max_tokens", verb.max_tokens, 1, opened.subject.context - opened.slots - 1)
    return msgspec.structs.replace(verb, source=source, reader=reader)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise BadInput(f"{name} cannot be {value}.", f"Choose from {low:g} to {high:g}.")


def run(engine: WorkbenchEngine, verb: Explain) -> Iterator[Event | None]:
    """Draw all samples in one batch, streaming texts as they end; then score, order and compare them."""
    reader = open_reader(engine, verb.reader)
    soft = reader.soft_of(engine.vector(verb.source))
    counts: Counter[str] = Counter()
    yield from _draw(engine, reader, verb, soft, counts)
    prepared = prepare(reader.subject, sorted(text for text in counts if text), slots=reader.slots)
    found: dict[str, Score] = {}
    for done in score_prepared(reader.subject, soft, prepared):
        for index, value in zip(done.texts.tolist(), done.scores[0].tolist(), strict=True):
            found[prepared.texts[index]] = scores.plain(value, prepared.lengths[index])
        yield None
    found.update((prepared.texts[index], scores.failed(error)) for index, error in prepared.errors.items())
    order = _order(found, verb)
    rows = [_row(engine, reader, text, found[text], counts[text], rank) for rank, text in enumerate(order, 1)]
    yield Partial(tuple(rows))
    yield from _compare(engine, reader, prepared, rows, verb.keep)
    yield Finished(Explanations(reader.name, verb.samples, len(rows), tuple(rows)))


def _draw(
    engine: WorkbenchEngine, reader: Reader, verb: Explain, soft: torch.Tensor, counts: Counter[str]
) -> Iterator[Event | None]:
    prefix = one_prefix(reader.subject, soft)
    yield None
    steps = draw(
        reader.subject,
        prefix,
        samples=verb.samples,
        temperature=verb.temperature,
        top_p=verb.top_p,
        max_tokens=verb.max_tokens,
        seed=verb.seed,
    )
    for done in steps:
        texts = [reader.subject.decode(drawn.ids).strip() for drawn in done]
        counts.update(texts)
        if any(texts):
            fresh = dict.fromkeys(text for text in texts if text)
            yield Partial(tuple(_row(engine, reader, text, Score(), counts[text], 0) for text in fresh))
            yield Progress(counts.total(), verb.samples, "drawing explanations")
        yield None


def _order(found: dict[str, Score], verb: Explain) -> list[str]:
    """Return the diverse top `keep`, then the rest by likelihood, then what could not be scored."""
    scored = {text: score.score for text, score in sorted(found.items()) if score.score is not None}
    texts = sorted(scored, key=lambda text: -scored[text])
    picked = [texts[i] for i in diverse(texts, [scored[t] for t in texts], beta=verb.beta, keep=verb.keep)]
    kept = set(picked)
    return [*picked, *(text for text in texts if text not in kept), *sorted(found.keys() - scored.keys())]


def _row(engine: WorkbenchEngine, reader: Reader, text: str, score: Score, count: int, rank: int) -> ExplanationRow:
    labels = engine.parts.labels(reader.sae) if reader.sae else None
    verbatim = labels is not None and text in labels and labels.split_of(text) == "train"
    return ExplanationRow(text=text, score=score, count=count, rank=rank, verbatim=verbatim)


def _compare(
    engine: WorkbenchEngine, reader: Reader, prepared: Prepared, rows: list[ExplanationRow], keep: int
) -> Iterator[Event | None]:
    """Give the first `keep` rows their gap and p, in place, streaming each."""
    background = background_of(engine, reader)
    ids = dict(zip((prepared.texts[index] for index in prepared.valid.tolist()), prepared.ids, strict=True))
    for place, row in enumerate(rows[:keep]):
        if background is None or row.score.score is None:
            continue
        for done in filled(background, [ids[row.text]], PART):
            yield None if done else Progress(place, min(keep, len(rows)), "measuring backgrounds")
        score = scores.against(row.score.score, row.score.tokens, background.scores(ids[row.text], PART))
        rows[place] = msgspec.structs.replace(row, score=score)
        yield Partial((rows[place],))
