"""Which sources a comparison needs beside the asked one: its like in the other model, and others of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backends.engine.crossmodel.alignment import same_place, spell, spell_ids
from investigator.errors import BadInput
from investigator.sources import Decoder, Difference, Mean, Random, Residual, Source, Sum, Weighted

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_SKIPPED = 8
"""Tokens at a document's start that no other source is taken from: they know too little."""


_KINDS: dict[type, str] = {Decoder: "A direction", Random: "A random vector", Sum: "A sum with a direction in it"}


class _Text(msgspec.Struct):
    text: str


def read_as(source: Source, *, centred: bool = True) -> Source:
    """Return a source as readers of its own model read it: a direction stands on the mean for those that take it off.

    A verbalizer, which reads a vector's direction and takes no mean off, gets a decoder row as it is.
    """
    return Sum((Weighted(1.0, source),)) if centred and isinstance(source, Decoder) else source


def centres(engine: WorkbenchEngine, reader: str) -> bool:
    """Return whether a reader takes the layer's mean off before it reads; soft-prompt readers alone do."""
    return engine.parts.reader_entry(reader).kind == "soft_prompt"


def native(engine: WorkbenchEngine, source: Source, subject: str, layer: int) -> Source:
    """Return the same place of the same text in another model, aligned by characters; raise BadInput where none is.

    A composed source is composed of the other model's own vectors.
    """
    match source:
        case Residual():
            return _residual(engine, source, subject, layer)
        case Mean():
            return Mean(subject, layer)
        case Difference():
            left, right = (native(engine, part, subject, layer) for part in (source.left, source.right))
            return Difference(left, right)
        case Sum() if not any(isinstance(term.source, Decoder) for term in source.terms):
            return Sum(tuple(Weighted(one.weight, native(engine, one.source, subject, layer)) for one in source.terms))
    raise BadInput(
        f"{_KINDS.get(type(source), 'Such a source')} has no text, so {subject} has nothing of its own to read.",
        "Ask about a token of a prompt.",
    )


def _residual(engine: WorkbenchEngine, source: Residual, subject: str, layer: int) -> Residual:
    here, there = engine.parts.subject(source.subject), engine.parts.subject(subject)
    spelled = spell_ids(here, source.token_ids)
    other = spell(there, spelled.text)
    if len(other.ids) > there.context:
        raise BadInput(f"The prompt is longer than the {there.context} tokens that {subject} reads.", "Shorten it.")
    first, end = same_place(spelled, source.position, source.end or source.position + 1, other)
    return Residual(subject, other.ids, layer, first, end if end > first + 1 else None)


def others(engine: WorkbenchEngine, source: Source, count: int, seed: int) -> list[Source]:
    """Return `count` other sources of one kind with a resolved one: latents of its SAE, or tokens of other texts."""
    from backends.engine import vectors

    if isinstance(source, Decoder):
        return _latents(engine, source, count, seed)
    subject, layer = vectors.place(source, engine)
    return _tokens(engine, subject, layer, count, seed) or [
        Random(subject, layer, seed=seed + at) for at in range(count)
    ]


def _latents(engine: WorkbenchEngine, source: Decoder, count: int, seed: int) -> list[Source]:
    """Draw latents that share no label with the source, labelled ones where there are any."""
    labels = engine.parts.labels(source.sae)
    own = set(labels.labels_of(source.latent))
    known = [latent for latent in range(engine.parts.latents(source.sae)) if labels.labels_of(latent)]
    pool = [one for one in known or range(engine.parts.latents(source.sae)) if one != source.latent]
    pool = [one for one in pool if not own & set(labels.labels_of(one))]
    order = np.random.default_rng(seed).permutation(len(pool))[:count]
    return [Decoder(source.sae, pool[at]) for at in order]


def _tokens(engine: WorkbenchEngine, subject: str, layer: int, count: int, seed: int) -> list[Source]:
    """Draw one token each of held-out documents."""
    file = engine.parts.path(engine.workbench.heldout) / "tune.jsonl" if engine.workbench.heldout else None
    if file is None or not file.is_file():
        return []
    texts = engine.parts.once("tune texts", str(file), lambda: _documents(file.read_text(encoding="utf-8")))
    model, draw = engine.parts.subject(subject), np.random.default_rng(seed)
    found: list[Source] = []
    for at in draw.permutation(len(texts)):
        ids = tuple(model.encode(texts[at])[: min(64, model.context)])
        if len(ids) > _SKIPPED:
            found.append(Residual(subject, ids, layer, int(draw.integers(_SKIPPED, len(ids)))))
        if len(found) == count:
            break
    return found


def _documents(read: str) -> Sequence[str]:
    return [msgspec.json.decode(line, type=_Text).text for line in read.splitlines() if line.strip()]
