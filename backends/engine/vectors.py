"""From a source to its vector: the one place that knows how each kind is made."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from backends.engine import algebra, stored
from investigator import sources
from investigator.errors import BadInput, ScoreError
from investigator.sources import (
    DEEPEST,
    MOST_PARTS,
    Ablated,
    Decoder,
    Difference,
    Mapped,
    Mean,
    Prompted,
    Random,
    Residual,
    Source,
    Stored,
    Sum,
)

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def resolve(engine: WorkbenchEngine, source: Source) -> Source:
    """Return the source with names, layer and positions filled in; raise BadInput where there is no such place.

    An empty subject is the workbench's first, layer -1 its default layer, positions count from the front, and a prompt
    given as text becomes its tokens.
    """
    parts, deep = sources.size(source)
    if parts > MOST_PARTS or deep > DEEPEST:
        raise BadInput(
            f"A source has at most {MOST_PARTS} parts, {DEEPEST} within each other.", "Ask with a smaller one."
        )
    return _resolve(engine, source)


def _resolve(engine: WorkbenchEngine, source: Source) -> Source:
    match source:
        case Residual():
            return _resolve_residual(engine, source)
        case Prompted():
            return _resolve_residual(engine, _tokenised(engine, source))
        case Decoder():
            sae = (
                engine.parts.sae_name(source.sae, engine.parts.subject_name(), -1) if source.sae else _only_sae(engine)
            )
            check_latent(source.latent, engine.parts.sae(sae).latents)
            return Decoder(sae=sae, latent=source.latent)
        case Difference() | Sum() | Ablated():
            return algebra.resolve(engine, source, _resolve)
        case Mapped():
            carried: Source = _carry().resolve(engine, source)
            return carried
        case Mean() | Random() | Stored():
            subject = engine.parts.subject_name(source.subject)
            found = msgspec.structs.replace(source, subject=subject, layer=resolve_layer(engine, subject, source.layer))
            if isinstance(found, Stored):
                _read(engine, found)
            return found


def _carry() -> ModuleType:
    """Return what knows maps, imported when a first source is carried by one."""
    from backends.engine.crossmodel import carry

    return carry


def _tokenised(engine: WorkbenchEngine, source: Prompted) -> Residual:
    """Return the residual of a prompt given as text."""
    subject = engine.parts.subject(source.subject)
    if not source.prompt:
        raise BadInput("The prompt is empty.", "Type some text.")
    ids = tuple(subject.encode(source.prompt))
    end = len(ids) if source.end == 0 else source.end
    return Residual(subject.name, ids, source.layer, source.position, end)


def _read(engine: WorkbenchEngine, source: Stored) -> Tensor:
    return stored.read(source, engine.folder, engine.parts.subject(source.subject).width)


def _only_sae(engine: WorkbenchEngine) -> str:
    if not engine.workbench.saes:
        raise BadInput("The workbench has no SAE.", "Add a [saes.NAME] table to it.")
    return next(iter(engine.workbench.saes))


def resolve_layer(engine: WorkbenchEngine, subject: str, layer: int) -> int:
    """Return a layer, the default one for -1; raise BadInput where the model has no such layer."""
    if layer == -1:
        return engine.parts.default_layer(subject)
    layers = engine.parts.subject(subject).layers
    if not 0 <= layer < layers:
        raise BadInput(f"{subject} has no layer {layer}.", f"Its layers are 0 to {layers - 1}.")
    return layer


def check_latent(latent: int, latents: int) -> None:
    """Raise BadInput where an SAE has no such latent."""
    if not 0 <= latent < latents:
        raise BadInput(f"There is no latent {latent}.", f"Latents are 0 to {latents - 1}.")


def _resolve_residual(engine: WorkbenchEngine, source: Residual) -> Residual:
    name = engine.parts.subject_name(source.subject)
    check_ids(engine, name, source.token_ids)
    count = len(source.token_ids)
    position = source.position + count if source.position < 0 else source.position
    end = None if source.end is None else source.end + count if source.end < 0 else source.end
    if not 0 <= position < count:
        raise BadInput(
            f"There is no token {source.position}.", f"The prompt's tokens are 0 to {count - 1}, or -{count} to -1."
        )
    if end is not None and not position < end <= count:
        raise BadInput(
            f"There is no span {source.position}:{source.end}.", f"A span ends after its start and at most at {count}."
        )
    return Residual(
        subject=name,
        token_ids=source.token_ids,
        layer=resolve_layer(engine, name, source.layer),
        position=position,
        end=end if end is not None and end > position + 1 else None,
    )


def check_ids(engine: WorkbenchEngine, name: str, ids: tuple[int, ...]) -> None:
    """Raise BadInput where token ids are none, too many for the context, or unknown to the model."""
    subject = engine.parts.subject(name)
    if not ids:
        raise BadInput("The prompt is empty.", "Type some text.")
    if len(ids) > subject.context:
        raise BadInput(
            f"The prompt has {len(ids)} tokens, but {name} reads at most {subject.context}.", "Shorten the prompt."
        )
    engine.captures.check_room(subject.layers, len(ids), subject.width)
    if not 0 <= min(ids) <= max(ids) < subject.vocabulary:
        raise BadInput(f"A token id is not one of {name}'s 0 to {subject.vocabulary - 1}.", "Open the prompt again.")


def place(source: Source, engine: WorkbenchEngine) -> tuple[str, int]:
    """Return the subject and layer that a resolved source belongs to."""
    match source:
        case Decoder():
            entry = engine.workbench.saes[source.sae]
            return entry.subject, entry.layer
        case Difference() | Sum() | Ablated():
            return place(sources.inner(source)[0], engine)
        case Mapped():
            there: tuple[str, int] = _carry().place(engine, source)
            return there
        case _:
            return source.subject, source.layer


def residuals(source: Source) -> list[Residual]:
    """Return the residuals whose captures a source reads."""
    return list(sources.residuals(source))


def vector(engine: WorkbenchEngine, source: Source) -> Tensor:
    """Return a resolved source's vector, float32 `[d]` on the processor; runs the model where nothing is captured.

    Raises ScoreError where a composed one is not finite.
    """
    match source:
        case Residual():
            captured = engine.captures.get(engine.parts.subject(source.subject), source.token_ids)
            span = captured.residuals[source.layer, source.position : source.end or source.position + 1]
            return span.mean(dim=0) if len(span) > 1 else span[0]
        case Prompted():
            raise BadInput("A prompt given as text is tokenised before it is read.", "Ask through a question.")
        case Decoder():
            return _decoder(engine, source)
        case Mean():
            return engine.parts.layer_statistics(source.subject).mean[source.layer]
        case Random():
            return _random(engine, source)
        case Stored():
            return _read(engine, source)
        case Mapped():
            return _finite(_carry().vector(engine, source))
        case Difference() | Sum() | Ablated():
            return _finite(algebra.vector(engine, source))


def direction(engine: WorkbenchEngine, source: Source) -> Tensor:
    """Return what a resolved source holds beyond its layer's mean, float32 `[d]`; a decoder direction is itself."""
    return _finite(algebra.beyond_mean(engine, source))


def _finite(found: Tensor) -> Tensor:
    if not bool(torch.isfinite(found).all()):
        raise ScoreError("The source came out as NaN or infinity.", "Ask with smaller weights.")
    return found


def _decoder(engine: WorkbenchEngine, source: Decoder) -> Tensor:
    subject, layer = place(source, engine)
    direction: Tensor = engine.parts.sae(source.sae).decoder[source.latent]
    scale = engine.parts.layer_statistics(subject).norm(layer) / max(float(direction.norm()), 1e-12)
    return direction * scale


def _random(engine: WorkbenchEngine, source: Random) -> Tensor:
    """Return mean + C^(1/2) z, with z standard normal."""
    root = covariance_root(engine, source.subject, source.layer)
    generator = torch.Generator().manual_seed(source.seed)
    drawn = root @ torch.randn(len(root), dtype=torch.float64, generator=generator)
    mean: Tensor = engine.parts.layer_statistics(source.subject).mean[source.layer]
    return mean + drawn.float()


def covariance_root(engine: WorkbenchEngine, subject: str, layer: int) -> Tensor:
    """Return a root `[d, d]` of a layer's covariance, float64, made once."""
    return engine.parts.once("root", f"{subject} {layer}", lambda: _root(engine, subject, layer))


def _root(engine: WorkbenchEngine, subject: str, layer: int) -> Tensor:
    """Return a root of the layer's covariance, by eigenvalues: one of few tokens has no Cholesky factor."""
    covariance = engine.parts.layer_statistics(subject).covariance[layer]
    values, vectors = torch.linalg.eigh(covariance.double())
    root: Tensor = vectors * values.clamp_min(0).sqrt()
    return root
