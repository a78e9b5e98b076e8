"""`features`: the active latents at a source. The fast lane: an index into what is captured, then a sort."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backends.base import Lane
from backends.engine import filters, vectors
from backends.engine.numbers import Floats, best_first, robust_z
from investigator.errors import BadInput
from investigator.records import FeatureRow, Features
from investigator.sources import Residual
from investigator.wire import Event, Finished, ShowFeatures

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_BOUNDS = ("rate", "z", "act")
_MOST_ROWS = 100_000


def lane(engine: WorkbenchEngine, verb: ShowFeatures) -> Lane:
    """Only a prompt that was never captured, or no longer is, needs the model."""
    needed = vectors.residuals(verb.source)
    return "fast" if all(engine.captures.held(one.subject, one.token_ids) for one in needed) else "model"


def resolve(engine: WorkbenchEngine, verb: ShowFeatures) -> ShowFeatures:
    """Fill in the source and the SAE at its layer, and read the filter; raise BadInput where there is no such place."""
    source = vectors.resolve(engine, verb.source)
    subject, layer = vectors.place(source, engine)
    sae = engine.parts.sae_name(verb.sae, subject, layer)
    entry = engine.workbench.saes[sae]
    if (entry.subject, entry.layer) != (subject, layer):
        raise BadInput(
            f"{sae} reads layer {entry.layer} of {entry.subject}, not layer {layer} of {subject}.",
            f"Ask at layer {entry.layer}.",
        )
    filters.parse(verb.filter, _BOUNDS)
    if not 1 <= verb.limit <= _MOST_ROWS:
        raise BadInput(f"{verb.limit} rows cannot be shown.", f"Ask for 1 to {_MOST_ROWS}.")
    return ShowFeatures(source, sae, verb.order, verb.filter, verb.unlabelled, verb.limit)


def run(engine: WorkbenchEngine, verb: ShowFeatures) -> Iterator[Event | None]:
    """Rank the active latents; ties in the asked order are broken by the latent's number."""
    latents, activations, pre = encoding(engine, verb)
    statistics, labels = engine.parts.latent_statistics(verb.sae), engine.parts.labels(verb.sae)
    rate = statistics.rate[latents]
    z = _z(pre, statistics.median[latents], statistics.iqr[latents], measured=statistics.measured)
    columns = zip(latents.tolist(), activations.tolist(), z.tolist(), rate.tolist(), strict=True)
    rows = [FeatureRow(latent, act, high, rare, labels.labels_of(latent)) for latent, act, high, rare in columns]
    order = best_first({"activation": activations, "z": z, "rate": -rate}[verb.order])
    chosen = _chosen((rows[place] for place in order), verb)
    yield Finished(
        Features(
            sae=verb.sae,
            order=verb.order,
            active=len(rows),
            unlabelled=sum(not row.labels for row in rows),
            rows=tuple(chosen[: verb.limit]),
        )
    )


def _z(pre: Floats, median: Floats, iqr: Floats, *, measured: bool) -> Floats:
    z: Floats = robust_z(pre, median, iqr).astype(np.float32) if measured else np.zeros_like(pre)
    return z


def _chosen(rows: Iterator[FeatureRow], verb: ShowFeatures) -> list[FeatureRow]:
    wanted = filters.parse(verb.filter, _BOUNDS)
    return [
        row
        for row in rows
        if (row.labels or verb.unlabelled)
        and wanted.holds(row.labels, (row.latent,), {"rate": row.rate, "z": row.z, "act": row.activation})
    ]


def encoding(engine: WorkbenchEngine, verb: ShowFeatures) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return latents, activations and pre-activations at a resolved source, by latent.

    A single residual is looked up in its capture's encoding of all positions; a span's mean, and any other vector, is
    encoded by itself.
    """
    sae, source = engine.parts.sae(verb.sae), verb.source
    if isinstance(source, Residual) and source.end is None:
        capture = engine.captures.get(engine.parts.subject(source.subject), source.token_ids)
        return capture.encoded(sae).at(source.position)
    return sae.encode_sparse(engine.vector(source)[None]).at(0)
