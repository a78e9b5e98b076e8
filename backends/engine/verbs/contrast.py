"""`contrast`: two hypotheses at one place, or one at two, with a paired interval on the difference of their gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from backends.base import Lane
from backends.engine.controls.intervals import difference_interval
from backends.engine.controls.statistics import Floats
from backends.engine.readers.announcing import plan_of
from backends.engine.verbs import test
from backends.engine.verbs.test import Answer
from investigator.errors import BadInput
from investigator.records import Contrasted, HypothesisRow
from investigator.wire import Contrast, Event, Finished, Test

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def lane(engine: WorkbenchEngine, verb: Contrast) -> Lane:
    """Scoring runs the model."""
    return "model"


def plan(engine: WorkbenchEngine, verb: Contrast) -> str:
    """Return the batch plan, for provenance."""
    return plan_of(engine, verb.reader)


def resolve(engine: WorkbenchEngine, verb: Contrast) -> Contrast:
    """Fill in sources, reader and phrasings; raise BadInput where there is nothing to compare."""
    if verb.left.strip() == verb.right.strip() and verb.other in (None, verb.source):
        raise BadInput("Both sides are the same hypothesis at the same place.", "Give another sentence or place.")
    asked = test.resolve(engine, _as_test(verb))
    return msgspec.structs.replace(
        verb,
        left=verb.left.strip(),
        right=verb.right.strip(),
        source=asked.sources[0],
        other=asked.sources[1] if len(asked.sources) > 1 else None,
        reader=asked.reader,
        templates=asked.templates,
        wordings=asked.wordings,
    )


def _as_test(verb: Contrast) -> Test:
    """Return both hypotheses as one question: at both places, where there are two."""
    sources = (verb.source,) if verb.other is None else (verb.source, verb.other)
    return Test(
        (verb.left, verb.right),
        sources,
        verb.reader,
        templates=verb.templates,
        wordings=verb.wordings,
        seed=verb.seed,
    )


def run(engine: WorkbenchEngine, verb: Contrast) -> Iterator[Event | None]:
    """Score and judge both sides, streaming them, then compare them."""
    asked = _as_test(verb)
    asked = msgspec.structs.replace(asked, hypotheses=tuple(dict.fromkeys(asked.hypotheses)))
    answer: Answer | None = None
    for step in test.steps(engine, asked):
        if isinstance(step, Answer):
            answer = step
        else:
            yield step
    assert answer is not None
    yield Finished(_contrasted(answer, verb))


def _contrasted(answer: Answer, verb: Contrast) -> Contrasted:
    left, right = (0, 0), (len(answer.verb.sources) - 1, len(answer.texts.texts) - 1)
    rows = answer.row(*left), answer.row(*right)
    sides = [_side(answer, *left), _side(answer, *right)]
    gaps = [row.score.gap for row in rows]
    if sides[0] is None or sides[1] is None or gaps[0] is None or gaps[1] is None:
        return Contrasted(answer.reader.name, *rows, None, None, _why_not(rows))
    difference = gaps[0] - gaps[1]
    interval = difference_interval(sides[0], sides[1], verb.seed)
    return Contrasted(answer.reader.name, *rows, difference, interval, _why(difference, interval))


def _side(answer: Answer, place: int, text: int) -> tuple[Floats, Floats] | None:
    """Return the scores of a side's phrasings, here and over the background; None where they are not known."""
    table = answer.main.table(answer.main.background, text)
    return None if table is None else (answer.main.here(place, text), table)


def _why(difference: float, interval: tuple[float, float]) -> str:
    low, high = interval
    bounds = f"({low:+.2f} to {high:+.2f})"
    if low <= 0 <= high:
        return f"The gaps differ by {difference:+.2f} nats a token {bounds}: phrasing and background alone can do that."
    higher = "left" if difference > 0 else "right"
    return f"The {higher} one's gap is larger by {abs(difference):.2f} nats a token {bounds}."


def _why_not(rows: tuple[HypothesisRow, HypothesisRow]) -> str:
    error = next((row.score.error for row in rows if row.score.error), "")
    return error or "One side has no gap: the workbench has no layer statistics, or a score came out as NaN."
