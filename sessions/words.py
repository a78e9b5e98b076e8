"""The words by which an answer is found again: labels, texts, hypotheses, filters, messages."""

from __future__ import annotations

from collections.abc import Iterator

from investigator.events import Answer
from investigator.records import (
    CheckRow,
    ExplanationRow,
    Feature,
    FeatureRow,
    Figure,
    HypothesisRow,
    LabelRow,
    LensRow,
    Opened,
    Result,
    Row,
)
from investigator.text import inert
from investigator.wire import RankLabels, ShowFeatures, Test, Verb, Work
from sessions.ids import clean
from sessions.records import verb_name


def _of_row(row: Row) -> Iterator[str]:
    match row:
        case FeatureRow():
            yield from row.labels
        case LabelRow() | ExplanationRow() | HypothesisRow():
            yield row.text
        case LensRow():
            yield from (likely.text for likely in row.tokens)
        case CheckRow():
            yield row.message
        case Figure():
            yield row.name


def _of_result(result: Result | None) -> Iterator[str]:
    match result:
        case Opened():
            yield result.prompt
        case Feature():
            yield f"latent {result.latent}"
            yield from (label.text for label in result.labels)


def _of_verb(verb: Verb) -> Iterator[str]:
    yield verb_name(verb)
    match verb:
        case ShowFeatures() | RankLabels():
            yield verb.filter
        case Test():
            yield from verb.hypotheses
        case Work():
            yield verb.command


def words_of(verb: Verb, answer: Answer) -> str:
    """Return everything of an answer that a search should find, made inert, each text on its own line."""
    rows: tuple[Row, ...] = getattr(answer.result, "rows", ()) or tuple(answer.rows.values())
    texts = [*_of_verb(verb), *_of_result(answer.result), *(text for row in rows for text in _of_row(row))]
    if answer.error is not None:
        texts.append(answer.error.message)
    return "\n".join(clean(inert(text)) for text in texts if text)
