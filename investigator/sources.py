"""Sources: every vector worth explaining, named by what is needed to make it again (no server handles).

What is composed (a difference, a sum, an ablation, a map) is reckoned from the layer's mean m: a residual stands for
x - m, a decoder direction for itself, and what a reader reads of the whole is m plus the result. So `A - B` reads
m + A - B, `0.5 * A + 0.5 * B` reads the average, and `A - B - C` needs no count of means. A source alone is itself.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Residual(msgspec.Struct, frozen=True, tag_field="kind", tag="residual"):
    """The residual stream at the output of block `layer`, at one position or averaged over a span."""

    subject: str
    """Name of the subject model in the workbench."""
    token_ids: tuple[int, ...]
    """The whole prompt, special tokens included."""
    layer: int
    """Block index L; the vector is HF `hidden_states[L+1]`."""
    position: int
    """First position; negative counts from the end."""
    end: int | None = None
    """One past the last position of a span whose mean is the source; None for a single position."""


class Prompted(msgspec.Struct, frozen=True, tag_field="kind", tag="prompted"):
    """A residual of a prompt given as text: the engine tokenises it, and `accepted` holds the `Residual` instead."""

    prompt: str
    subject: str = ""
    """Empty: the workbench's first."""
    layer: int = -1
    """-1: the subject's default layer."""
    position: int = -1
    end: int | None = None
    """One past the last position of a span; 0: the prompt's end."""


class Decoder(msgspec.Struct, frozen=True, tag_field="kind", tag="decoder"):
    """A latent's decoder direction, scaled to the layer's mean residual norm."""

    sae: str
    latent: int


class Mean(msgspec.Struct, frozen=True, tag_field="kind", tag="mean"):
    """The layer's mean activation: a control that holds nothing of any one prompt."""

    subject: str
    layer: int


class Random(msgspec.Struct, frozen=True, tag_field="kind", tag="random"):
    """A random vector drawn from the layer's mean and covariance: a control that means nothing."""

    subject: str
    layer: int
    seed: int


class Stored(msgspec.Struct, frozen=True, tag_field="kind", tag="stored"):
    """A row of a .safetensors or .npy file on the backend's machine, read as an activation of a layer."""

    path: str
    """Absolute, or relative to the workbench file."""
    key: str = ""
    """Name of the tensor; empty: the only one. A .npy file has none."""
    row: int = 0
    """Row of a matrix; a plain vector has row 0 alone."""
    subject: str = ""
    layer: int = -1


class Difference(msgspec.Struct, frozen=True, tag_field="kind", tag="difference"):
    """The layer's mean plus the difference of two sources of one subject and layer."""

    left: Source
    right: Source


class Weighted(msgspec.Struct, frozen=True):
    """One term of a sum."""

    weight: float
    source: Source


class Sum(msgspec.Struct, frozen=True, tag_field="kind", tag="sum"):
    """The layer's mean plus a weighted sum of what several sources hold beyond it."""

    terms: tuple[Weighted, ...]


class Ablated(msgspec.Struct, frozen=True, tag_field="kind", tag="ablated"):
    """A source without some latents: minus each one's activation there times its decoder row."""

    source: Source
    sae: str
    """Empty: the SAE at the source's layer."""
    latents: tuple[int, ...]


class Mapped(msgspec.Struct, frozen=True, tag_field="kind", tag="mapped"):
    """A source of one subject carried into another one by a linear map of the workbench (`[maps.NAME]`)."""

    source: Source
    map: str
    wash: float = 0.0
    """Weight of the background that is mixed in: unit((1 - wash) d + wash b)."""
    bare: bool = False
    """Whether it arrives as a direction alone, at the layer's usual length, for readers that take no mean off."""


Source = (
    Residual | Prompted | Decoder | Mean | Random | Stored | Difference | Sum | Ablated | Mapped
)  # what composes holds others, so this comes last

MOST_PARTS = 64
"""Parts of one source, those inside others counted: more is no question that a person asks."""
DEEPEST = 16
"""How deep sources may hold others."""


def inner(source: Source) -> tuple[Source, ...]:
    """Return the sources that one is composed of; none for a plain one."""
    match source:
        case Difference():
            return (source.left, source.right)
        case Sum():
            return tuple(term.source for term in source.terms)
        case Ablated() | Mapped():
            return (source.source,)
    return ()


def everything(source: Source) -> tuple[Source, ...]:
    """Return a source and all that it is composed of, itself first."""
    return (source, *(found for part in inner(source) for found in everything(part)))


def leaves(source: Source) -> tuple[Source, ...]:
    """Return the plain sources behind one, in order."""
    parts = inner(source)
    return tuple(leaf for part in parts for leaf in leaves(part)) if parts else (source,)


def residuals(source: Source) -> tuple[Residual, ...]:
    """Return the places in prompts that a source reads, in order."""
    return tuple(leaf for leaf in leaves(source) if isinstance(leaf, Residual))


def size(source: Source, depth: int = 0) -> tuple[int, int]:
    """Return how many parts a source has and how deep they lie; looks no deeper than one past `DEEPEST`."""
    if depth > DEEPEST:
        return 1, depth
    found = [size(part, depth + 1) for part in inner(source)]
    return 1 + sum(count for count, _ in found), max((deep for _, deep in found), default=depth)


def worded(asked: Source, resolved: Source) -> Source:
    """Return a resolved source with the prompts that were asked as text as text again, all else as it was resolved."""
    words, places = leaves(asked), leaves(resolved)
    if len(words) != len(places):
        return resolved
    pairs = iter(zip(words, places, strict=True))
    return with_leaves(resolved, lambda _: _as_text(*next(pairs)))


def _as_text(asked: Source, resolved: Source) -> Source:
    if isinstance(asked, Prompted) and isinstance(resolved, Residual):
        return Prompted(asked.prompt, resolved.subject, resolved.layer, resolved.position, resolved.end)
    return resolved


def with_leaves(source: Source, change: Callable[[Source], Source]) -> Source:
    """Return the same source with every plain one changed, in order."""
    match source:
        case Difference():
            return Difference(with_leaves(source.left, change), with_leaves(source.right, change))
        case Sum():
            return Sum(tuple(Weighted(term.weight, with_leaves(term.source, change)) for term in source.terms))
        case Ablated() | Mapped():
            return msgspec.structs.replace(source, source=with_leaves(source.source, change))
    return change(source)
