"""The question that sweeps an opened prompt, asked alike by the command line, Python and the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from investigator import targets
from investigator.records import Opened
from investigator.sources import Decoder, Residual
from investigator.wire import Sweep

ALL = slice(None)
"""Every token."""


def sweep_of(
    opened: Opened,
    text: str = "",
    *,
    reader: str = "",
    layers: Sequence[int] = (),
    tokens: targets.Token = ALL,
    method: Literal["auto", "labels", "greedy"] = "auto",
    latent: Decoder | None = None,
) -> Sweep:
    """Return the question about all tokens, or a span of them; raise BadInput where there is no such token."""
    # The layer is not used: that of the source is the workbench's default, whatever is swept.
    place = targets.residual(opened, tokens, 0)
    source = Residual(place.subject, place.token_ids, -1, place.position, place.end)
    number, sae = (None, "") if latent is None else (latent.latent, latent.sae)
    return Sweep(source, text, reader, tuple(layers), method, number, sae)
