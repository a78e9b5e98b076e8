"""What composed sources are made of, for provenance: SAEs and rows of files, each with its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.engine import fingerprints
from investigator.provenance import Part
from investigator.sources import Ablated, Decoder, Source, Stored, everything

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def of(engine: WorkbenchEngine, sources: Iterable[Source]) -> dict[str, Part]:
    """Return the SAEs and files behind resolved sources, by what they are."""
    parts: dict[str, Part] = {}
    for part in (part for source in sources for part in everything(source)):
        if isinstance(part, Decoder | Ablated):
            parts[f"sae {part.sae}"] = Part(part.sae, engine.parts.sae(part.sae).fingerprint)
        elif isinstance(part, Stored):
            parts[f"row {part.row} of {part.path}"] = Part(part.path, _row(engine, part))
    return parts


def _row(engine: WorkbenchEngine, source: Stored) -> str:
    """Return the fingerprint of the numbers that are read, not of the file: other rows of it may change."""
    return fingerprints.of_text(engine.vector(source).numpy().tobytes().hex())
