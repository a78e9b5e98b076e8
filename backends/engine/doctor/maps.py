"""Checks of a map between two models: does it belong to both, can it be read, and what is it worth?"""

from __future__ import annotations

from pathlib import Path

from backends.engine.crossmodel import card as cards
from backends.engine.crossmodel import maps
from backends.engine.doctor.lines import Checks, ok, warning
from backends.engine.parts import Parts
from investigator.settings import Settings
from investigator.workbench import Workbench


def check_map(name: str, workbench: Workbench, base: Path, settings: Settings) -> Checks:
    """Check one map against the subjects that it leads from and to; raise WorkbenchError where it does not fit."""
    parts, title = Parts(workbench, base, settings), f"map {name}"
    maps.check_fits(parts, name)
    card = cards.load(parts.path(workbench.maps[name].path)).card
    ends = " to ".join(f"L{end.layer} of {maps.end_name(parts, end)}" for end in (card.source, card.target))
    cosine = f"held-out cosine {card.worth.cosine:.2f} (mean predictor {card.worth.mean_cosine:.2f})"
    yield ok(title, f"A {card.kind} map from {ends}, {cosine}, variance explained {card.worth.variance:.2f}.")
    if card.underdetermined:
        yield warning(
            f"{title}: sentences",
            f"It was fitted on {card.sentences:,} sentences, fewer than the {card.source.width} dimensions it reads.",
            "Fit it on more sentences.",
        )
