"""The words by which an answer is found again: labels, texts, hypotheses, hits, filters, messages, verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from investigator.events import Answer
from investigator.records import Contrasted, Feature, Likely, Opened, Result
from investigator.text import inert
from investigator.wire import Agree, Contrast, Find, Intervene, RankLabels, ShowFeatures, Sweep, Test, Verb, Work
from sessions.ids import clean
from sessions.records import verb_name

_FIELDS = ("text", "message", "name", "document")
"""Fields of rows that hold words, whatever the row's kind."""


def _of_row(row: Any) -> Iterator[str]:
    yield from (getattr(row, name) for name in _FIELDS if hasattr(row, name))
    yield from getattr(row, "labels", ())
    yield from (text for reading in getattr(row, "readings", ()) for text in reading.texts)
    yield getattr(row, "continuation", "")
    yield from (cell.text for cell in getattr(row, "cells", ()))
    tokens = getattr(row, "tokens", ())
    yield from (token.text for token in tokens if isinstance(token, Likely))
    yield "".join(token for token in tokens if isinstance(token, str))
    yield getattr(getattr(row, "score", None), "verdict", None) or ""


def _of_result(result: Result | None) -> Iterator[str]:
    match result:
        case Opened():
            yield result.prompt
        case Feature():
            yield f"latent {result.latent}"
            yield from (label.text for label in result.labels)
        case Contrasted():
            yield from (words for row in (result.left, result.right) for words in _of_row(row))


def _of_verb(verb: Verb) -> Iterator[str]:
    yield verb_name(verb)
    match verb:
        case ShowFeatures() | RankLabels():
            yield verb.filter
        case Test():
            yield from verb.hypotheses
        case Intervene():
            yield from verb.hypotheses
            yield from (f"latent {latent}" for latent in verb.ablate)
        case Contrast():
            yield from (verb.left, verb.right)
        case Sweep():
            yield from (verb.text, "" if verb.latent is None else f"latent {verb.latent}")
        case Find():
            yield from (verb.text, verb.corpus)
        case Agree():
            yield from (text for texts in verb.texts for text in texts)
        case Work():
            yield verb.command


def words_of(verb: Verb, answer: Answer) -> str:
    """Return everything of an answer that a search should find, made inert, each text on its own line."""
    rows = getattr(answer.result, "rows", ()) or tuple(answer.rows.values())
    texts = [*_of_verb(verb), *_of_result(answer.result), *(text for row in rows for text in _of_row(row))]
    if answer.error is not None:
        texts.append(answer.error.message)
    return "\n".join(clean(inert(text)) for text in dict.fromkeys(texts) if text)
