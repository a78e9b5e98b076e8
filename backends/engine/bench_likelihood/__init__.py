"""How fast likelihoods are, each part beside the loop that a good engineer writes with transformers."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from backends.engine.bench_likelihood import pace
from investigator.errors import BadInput
from investigator.records import Figure
from investigator.settings import Settings

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

PARTS = {
    "full": "backends.engine.bench_likelihood.full",
    "indexed": "backends.engine.bench_likelihood.indexed",
    "top": "backends.engine.bench_likelihood.top",
    "text": "backends.engine.bench_likelihood.text",
    "corpus": "backends.engine.bench_likelihood.corpus",
    "profile": "backends.engine.bench_likelihood.profile",
}
"""From a part's name to the module whose `measure(engine)` yields its figures; later ones use what earlier found."""


class Notes(Protocol):
    """Whatever shows a person what is going on."""

    def note(self, text: str) -> None:
        """Show a line that passes."""
        ...

    def say(self, text: str) -> None:
        """Show a line that stays."""
        ...


def measure(workbench: str, settings: Settings, meter: Notes, only: Sequence[str] = ()) -> list[Figure]:
    """Open a workbench in this process and measure the parts named, or all; each figure is said as it is found."""
    from backends.engine.engine import WorkbenchEngine

    chosen = checked(only)
    pace.begin()
    engine = WorkbenchEngine(workbench, settings)
    meter.note("loading the workbench")
    engine.load()
    figures = []
    for part in chosen:
        meter.note(f"measuring {part}")
        begun = time.monotonic()
        for figure in run_part(engine, part):
            meter.say(_line(figure))
            figures.append(figure)
        figures.append(Figure(f"{part}_part_seconds", time.monotonic() - begun, "s, the whole part"))
        meter.say(_line(figures[-1]))
    return figures


def checked(only: Sequence[str]) -> tuple[str, ...]:
    """Return the parts to measure, in the registry's order; raise BadInput for one that is unknown."""
    unknown = [part for part in only if part not in PARTS]
    if unknown:
        raise BadInput(f"There is no part {unknown[0]!r} to measure.", f"Choose from {', '.join(PARTS)}.")
    return tuple(part for part in PARTS if not only or part in only)


def run_part(engine: WorkbenchEngine, part: str) -> Iterator[Figure]:
    """Measure one part."""
    found: Iterator[Figure] = importlib.import_module(PARTS[part]).measure(engine)
    return found


def _line(figure: Figure) -> str:
    value = "none" if figure.value is None else f"{figure.value:.4g}"
    wanted = f" (wanted {figure.target})" if figure.target else ""
    return f"{figure.name}: {value} {figure.unit}{wanted}"
