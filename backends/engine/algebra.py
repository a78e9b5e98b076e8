"""The algebra of sources: differences, sums and ablations, reckoned from the layer's mean (`investigator.sources`).

Every source is some vector plus a multiple of the mean: a residual holds it once, a decoder direction not at all, a
difference of two residuals not at all. What a reader reads of a composed source holds it exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from investigator import sources
from investigator.errors import BadInput
from investigator.sources import Ablated, Decoder, Difference, Mapped, Source, Sum, Weighted

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Composed = Difference | Sum | Ablated
Resolve = Callable[["WorkbenchEngine", Source], Source]


def resolve(engine: WorkbenchEngine, source: Composed, inside: Resolve) -> Source:
    """Return the source with its parts resolved; raise BadInput where they do not belong together."""
    match source:
        case Difference():
            found: Composed = Difference(inside(engine, source.left), inside(engine, source.right))
        case Sum():
            _check_terms(source)
            found = Sum(tuple(Weighted(term.weight, inside(engine, term.source)) for term in source.terms))
        case Ablated():
            return _resolve_ablated(engine, msgspec.structs.replace(source, source=inside(engine, source.source)))
    _check_one_place(engine, found)
    return found


def _check_terms(source: Sum) -> None:
    if not source.terms:
        raise BadInput("A sum needs at least one source.", "Write it as 0.5 * (...).")


def _check_one_place(engine: WorkbenchEngine, source: Composed) -> None:
    from backends.engine.vectors import place

    places = dict.fromkeys(place(part, engine) for part in sources.inner(source))
    if len(places) > 1:
        what = "difference" if isinstance(source, Difference) else "sum"
        where = " and ".join(f"layer {layer} of {subject}" for subject, layer in places)
        raise BadInput(f"A {what} needs sources of one model and layer, not of {where}.", "Ask at one layer.")


def _resolve_ablated(engine: WorkbenchEngine, source: Ablated) -> Ablated:
    from backends.engine.vectors import place

    subject, layer = place(source.source, engine)
    name = sae_at(engine, source.sae, subject, layer)
    return msgspec.structs.replace(source, sae=name, latents=checked_latents(engine, name, source.latents))


def sae_at(engine: WorkbenchEngine, name: str, subject: str, layer: int) -> str:
    """Return the name of an SAE that reads a place, the first one there where none is given; raise BadInput."""
    found = engine.parts.sae_name(name, subject, layer)
    entry = engine.workbench.saes[found]
    if (entry.subject, entry.layer) != (subject, layer):
        raise BadInput(
            f"{found} reads layer {entry.layer} of {entry.subject}, not layer {layer} of {subject}.",
            f"Ask at layer {entry.layer} of {entry.subject}.",
        )
    return found


def checked_latents(engine: WorkbenchEngine, sae: str, latents: tuple[int, ...]) -> tuple[int, ...]:
    """Return distinct latents of an SAE; raise BadInput where one is not there, or there are none."""
    from backends.engine.vectors import check_latent

    if not latents:
        raise BadInput("No latent to ablate is named.", "Name one, as in l3#12.")
    for latent in latents:
        check_latent(latent, engine.parts.sae(sae).latents)
    return tuple(dict.fromkeys(latents))


def holds(source: Source) -> float:
    """Return how often a source holds its layer's mean."""
    match source:
        case Decoder() | Mapped(bare=True):
            return 0.0
        case Difference():
            return holds(source.left) - holds(source.right)
        case Sum():
            return sum(term.weight * holds(term.source) for term in source.terms)
        case Ablated():
            return holds(source.source)
    return 1.0


def vector(engine: WorkbenchEngine, source: Composed) -> Tensor:
    """Return what is read of a resolved composed source, float32 `[d]`: it holds the mean exactly once."""
    missing = 1.0 - holds(source)
    return _plain(engine, source, missing * _mean(engine, source) if missing else None)


def beyond_mean(engine: WorkbenchEngine, source: Source) -> Tensor:
    """Return what a resolved source holds beyond its layer's mean, float32 `[d]`."""
    times = holds(source)
    plain = _plain(engine, source, None)
    return plain - times * _mean(engine, source) if times else plain


def _mean(engine: WorkbenchEngine, source: Source) -> Tensor:
    from backends.engine.vectors import place

    subject, layer = place(source, engine)
    mean: Tensor = engine.parts.layer_statistics(subject).mean[layer]
    return mean


def _plain(engine: WorkbenchEngine, source: Source, start: Tensor | None) -> Tensor:
    """Return the sum that a source writes down, added to `start`, with no thought of means."""
    match source:
        case Difference():
            left = _plain(engine, source.left, None)
            return (left if start is None else start + left) - _plain(engine, source.right, None)
        case Sum():
            parts = [_weighted(term.weight, _plain(engine, term.source, None)) for term in source.terms]
            return torch.stack([*parts, *([] if start is None else [start])]).sum(dim=0)
        case Ablated():
            return _plain(engine, source.source, start) - ablation(engine, source)
    found = engine.vector(source)
    return found if start is None else start + found


def _weighted(weight: float, part: Tensor) -> Tensor:
    return part if weight == 1 else weight * part


def ablation(engine: WorkbenchEngine, source: Ablated) -> Tensor:
    """Return what an ablation takes away: each latent's activation at the source times its decoder row, summed."""
    sae, latents = engine.parts.sae(source.sae), list(source.latents)
    with torch.inference_mode():
        activations = sae.encode(engine.vector(source.source)[None])[0, latents].float().cpu()
        return activations @ sae.decoder[latents].float().cpu()
