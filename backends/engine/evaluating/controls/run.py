"""`evaluate controls`: the groups of figures, each alone or all in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from backends.engine.evaluating.controls.auroc import auroc_figures
from backends.engine.evaluating.controls.bench import ControlBench, Options
from backends.engine.evaluating.controls.generated import generated_figure
from backends.engine.evaluating.controls.nothing import decoy_figure, null_figure
from backends.engine.evaluating.controls.senses import senses_figure
from backends.engine.evaluating.controls.supported import random_figure, true_figures, vague_figure
from backends.engine.training.progress import Progress
from investigator.errors import BadInput
from investigator.records import Figure

Steps = Iterator[Progress | Figure]
GROUPS: dict[str, Callable[[ControlBench], Steps]] = {
    "senses": senses_figure,
    "auroc": auroc_figures,
    "random": random_figure,
    "true": true_figures,
    "vague": vague_figure,
    "decoys": decoy_figure,
    "generated": generated_figure,
    "null": null_figure,
}
"""From a group's name to what measures it; every group draws from its own seeds, so that one alone gives the same."""


def evaluate_controls(
    workbench: Path, *, only: str = "", seed: int = 1, scale: float = 1.0, device: str = "cpu"
) -> Steps:
    """Measure the groups named in `only`, separated by commas (empty: all), yielding each figure when it is known.

    `scale` multiplies every count. Intervals are 95 % bootstraps over documents, or over what each figure names. Raises
    BadInput for a group that is none, or a scale that is not positive.
    """
    names = [name.strip() for name in only.split(",") if name.strip()] or list(GROUPS)
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise BadInput(f"There is no group of figures called {unknown[0]!r}.", f"The groups: {', '.join(GROUPS)}.")
    if not 0 < scale <= 100:
        raise BadInput(f"scale cannot be {scale:g}.", "Choose a number above 0 and up to 100.")
    yield Progress(0, 1, "opening the workbench")
    bench = ControlBench(workbench, Options(seed, scale), device=device)
    for name in names:
        yield from GROUPS[name](bench)
