"""Sources: every vector worth explaining, named by what is needed to make it again (no server handles)."""

from __future__ import annotations

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


class Difference(msgspec.Struct, frozen=True, tag_field="kind", tag="difference"):
    """The layer's mean plus the difference of two residuals."""

    left: Residual
    right: Residual


Source = Residual | Decoder | Mean | Random | Difference
