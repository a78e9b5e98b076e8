"""`evaluate crossmodel`: the figures; `evaluate bridge`: the same with a page that shows one investigation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backends.engine.crossmodel.agreeing import embedder_of
from backends.engine.engine import WorkbenchEngine
from backends.engine.evaluating.crossmodel.conditions import Heard, backgrounds, hear, tuned_weight
from backends.engine.evaluating.crossmodel.figures import figures
from backends.engine.evaluating.crossmodel.more_maps import others
from backends.engine.evaluating.crossmodel.setting import Setting, first_map, setting_of
from backends.engine.evaluating.paper.asking import open_engine
from backends.engine.training.folders import write_atomically
from backends.engine.training.progress import Progress
from investigator.errors import WorkbenchError
from investigator.records import Figure


@dataclass
class Evaluation:
    """Everything that one evaluation found."""

    at: Setting
    heard: Heard
    weight: float
    figures: list[Figure]
    seed: int


def evaluate_crossmodel(
    workbench: Path, *, name: str = "", seed: int = 1, scale: float = 1.0, device: str = "cpu"
) -> Iterator[Progress | Figure | str]:
    """Yield progress, then the figures of a map (empty: the workbench's first), and a sentence."""
    yield Progress(0, 0, "opening both models")
    for step in evaluation(open_engine(workbench, device), name, seed=seed, scale=scale):
        if isinstance(step, Evaluation):
            yield _said(step)
        else:
            yield step


def write_bridge(
    workbench: Path, out: Path, *, name: str = "", seed: int = 1, scale: float = 1.0, device: str = "cpu"
) -> Iterator[Progress | Figure | str]:
    """Write the page to `out` in one step, yielding what `evaluate_crossmodel` yields."""
    from backends.engine.evaluating.crossmodel import page

    yield Progress(0, 0, "opening both models")
    for step in evaluation(open_engine(workbench, device), name, seed=seed, scale=scale):
        if isinstance(step, Evaluation):
            yield Progress(0, 0, "asking what the page shows")
            text = page.page(step)
            write_atomically(out, lambda path, text=text: _write(path, text))  # type: ignore[misc]
            yield f"{_said(step)} The page was written to {out.name}."
        else:
            yield step


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _said(found: Evaluation) -> str:
    at = found.at
    few = len(at.tested) - at.unseen
    note = f" {few} of the latents have labels that entered a reader's training." if few else ""
    return (
        f"{len(at.tested)} latents of {at.sae} through {at.name}, read by {at.there.name}, held against {at.own.name}; "
        f"agreement by {found.heard.embedder.name}.{note}"
    )


def evaluation(
    engine: WorkbenchEngine, name: str, *, seed: int, scale: float
) -> Iterator[Progress | Figure | Evaluation]:
    """Yield progress and figures, then the whole; raise WorkbenchError where there is no embedder."""
    at = setting_of(engine, name or first_map(engine), seed=seed, scale=scale)
    embedder, trouble = embedder_of(engine)
    if embedder is None:
        raise WorkbenchError(f"Agreement cannot be measured: {trouble}")
    heard, backs, weight = Heard(embedder), None, 0.5
    for back in backgrounds(at):
        if isinstance(back, Progress):
            yield back
        else:
            backs = back
    assert backs is not None
    for tuned in tuned_weight(at, heard, backs[1], seed):
        if isinstance(tuned, Progress):
            yield tuned
        else:
            weight = tuned
    yield from hear(at, heard, backs, weight, seed)
    found: list[Figure] = []
    for step in (*figures(at, heard, weight, seed),):
        found.append(step)
        yield step
    for more in others(at, heard, seed):
        if isinstance(more, Figure):
            found.append(more)
        yield more
    yield Evaluation(at, heard, weight, found, seed)
