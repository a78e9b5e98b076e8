"""`feature`: one latent's page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from backends.base import Lane
from backends.engine import vectors
from backends.engine.statistics import StoredContext
from backends.engine.subject import Subject
from investigator.errors import BadInput, finite
from investigator.records import Context, Feature, Likely, Neighbour
from investigator.wire import Event, Finished, ShowFeature

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_NEAREST = 10
_LOGITS = 10


def lane(engine: WorkbenchEngine, verb: ShowFeature) -> Lane:
    """A page is weights and stored statistics; it needs no model pass."""
    return "fast"


def resolve(engine: WorkbenchEngine, verb: ShowFeature) -> ShowFeature:
    """Fill in the SAE, the first where none is named; raise BadInput where it has no such latent."""
    if not engine.workbench.saes:
        raise BadInput("The workbench has no SAE.", "Add a [saes.NAME] table to it.")
    sae = engine.parts.sae_name(verb.sae or next(iter(engine.workbench.saes)), "", 0)
    vectors.check_latent(verb.latent, engine.parts.sae(sae).latents)
    return ShowFeature(latent=verb.latent, sae=sae)


def run(engine: WorkbenchEngine, verb: ShowFeature) -> Iterator[Event | None]:
    """Put a latent's label, statistics, excerpts, neighbours and direct effect on the logits together."""
    sae = engine.parts.sae(verb.sae)
    subject, statistics = engine.parts.subject(sae.subject), engine.parts.latent_statistics(verb.sae)
    with torch.inference_mode():
        top, bottom = _logits(subject, subject.direct_effect(sae.decoder[verb.latent]))
        nearest = _nearest(engine, verb, sae.decoder)
    yield Finished(
        Feature(
            sae=verb.sae,
            latent=verb.latent,
            labels=engine.parts.labels(verb.sae).notes_of(verb.latent),
            rate=float(statistics.rate[verb.latent]),
            median=float(statistics.median[verb.latent]),
            iqr=float(statistics.iqr[verb.latent]),
            maximum=float(statistics.maximum[verb.latent]),
            contexts=tuple(_context(subject, stored) for stored in statistics.contexts(verb.latent)),
            histogram_edges=_row(statistics.histogram_edges, verb.latent),
            histogram_counts=_row(statistics.histogram_counts, verb.latent),
            nearest=nearest,
            top_logits=top,
            bottom_logits=bottom,
        )
    )


def _context(subject: Subject, stored: StoredContext) -> Context:
    return Context(
        tokens=tuple(map(subject.piece, stored.tokens)),
        activations=tuple(stored.activations),
        peak=stored.peak,
        document=stored.document,
    )


def _row(table: Any, latent: int) -> tuple[Any, ...]:
    return () if table is None else tuple(table[latent].tolist())


def _nearest(engine: WorkbenchEngine, verb: ShowFeature, decoder: Tensor) -> tuple[Neighbour, ...]:
    """Return the latents whose decoder directions have the largest cosine with this one's."""
    norms = decoder.norm(dim=-1).clamp_min(1e-12)
    cosines = (decoder @ decoder[verb.latent]) / (norms * norms[verb.latent])
    cosines[verb.latent] = -2.0
    best = cosines.topk(min(_NEAREST, len(cosines) - 1))
    labels = engine.parts.labels(verb.sae)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple(Neighbour(latent, finite(cosine, "A cosine"), labels.labels_of(latent)) for latent, cosine in pairs)


def _logits(subject: Subject, effect: Tensor) -> tuple[tuple[Likely, ...], tuple[Likely, ...]]:
    """Return the tokens that a unit of the latent's direction raises and lowers most."""
    count = min(_LOGITS, len(effect))
    top, bottom = effect.topk(count), effect.topk(count, largest=False)
    return _likely(subject, top.indices, top.values), _likely(subject, bottom.indices, bottom.values)


def _likely(subject: Subject, ids: Tensor, values: Tensor) -> tuple[Likely, ...]:
    pairs = zip(ids.tolist(), values.tolist(), strict=True)
    return tuple(Likely(subject.piece(id), finite(value, "A logit")) for id, value in pairs)
