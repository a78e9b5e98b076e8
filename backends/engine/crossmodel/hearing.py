"""What a reader says of a source, by one method, through the very verbs that a person would ask."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Generator
from typing import TYPE_CHECKING

import msgspec

from investigator.errors import InvestigatorError
from investigator.records import Explanations, Labels, Score
from investigator.sources import Source
from investigator.wire import Compare, Explain, Finished, RankLabels

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Steps = Generator[None, None, "Heard"]
_MOST = 4096
"""Readings that are kept: another washout weight or more controls ask again for what is new alone."""


class Heard(msgspec.Struct, frozen=True):
    """Texts, best first, with their scores; or why there are none."""

    texts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    error: str | None = None


def hear(engine: WorkbenchEngine, source: Source, reader: str, method: str, verb: Compare) -> Steps:
    """Let one reader say what one source holds; the last few thousand readings are kept, failures are not.

    An expected failure is an answer here, and stops nothing else.
    """
    kept: OrderedDict[str, Heard] = engine.parts.once("heard", "", OrderedDict)
    key = _key(source, reader, method, verb)
    if (known := kept.get(key)) is not None:
        return known
    try:
        found = yield from _asked(engine, _question(source, reader, method, verb))
    except InvestigatorError as error:
        return Heard(error=str(error))
    if found.error is None:
        kept[key] = found
        while len(kept) > _MOST:
            kept.popitem(last=False)
    return found


def _question(source: Source, reader: str, method: str, verb: Compare) -> Explain | RankLabels:
    if method == "labels":
        return RankLabels(source, reader, limit=max(1, verb.keep), controls=False)
    return Explain(
        source,
        reader,
        samples=verb.samples,
        temperature=verb.temperature,
        top_p=verb.top_p,
        max_tokens=verb.max_tokens,
        beta=1.0,  # the likeliest texts first: agreement wants the best ones, not a diverse pool
        keep=verb.keep,
        seed=verb.seed,
        controls=False,
    )


def _asked(engine: WorkbenchEngine, question: Explain | RankLabels) -> Steps:
    from backends.engine.verbs import explain, labels

    if isinstance(question, Explain):
        events = explain.run(engine, explain.resolve(engine, question))
    else:
        events = labels.run(engine, labels.resolve(engine, question))
    for event in events:
        if isinstance(event, Finished):
            assert isinstance(event.result, Explanations | Labels)
            kept = question.keep if isinstance(question, Explain) else question.limit
            rows = [row for row in event.result.rows if row.score.error is None][:kept]
            if not rows:
                return Heard(error="It said nothing that can be scored.")
            return Heard(tuple(row.text for row in rows), tuple(row.score for row in rows))
        yield None
    return Heard(error="It said nothing.")


def _key(source: Source, reader: str, method: str, verb: Compare) -> str:
    how = (verb.samples, verb.temperature, verb.top_p, verb.max_tokens, verb.keep, verb.seed)
    return hashlib.blake2b(msgspec.json.encode((source, reader, method, how)), digest_size=12).hexdigest()
