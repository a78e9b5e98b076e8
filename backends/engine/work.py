"""Long work: `train STAGE`, `evaluate pocket` and `index KIND`, by a child of a backend that loads nothing."""

from __future__ import annotations

import datetime
import importlib
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import investigator
from backends.base import Lane
from backends.build import build_id
from investigator.errors import BadInput
from investigator.provenance import Provenance, WorkbenchSummary
from investigator.records import Figure, Worked
from investigator.settings import Settings
from investigator.wire import PROTOCOL, Event, Finished, Partial, Progress, Verb, Work

if TYPE_CHECKING:
    from backends.engine.training.progress import Progress as Step

_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
Arguments = dict[str, str | int | float | bool]


class WorkEngine:
    """An engine for long work only; torch is imported by the child that does it, never by the backend."""

    def __init__(self, workbench: Path, settings: Settings) -> None:
        self._name = str(workbench)
        self._settings = settings

    def load(self) -> None:
        """Load nothing."""

    def summary(self) -> WorkbenchSummary:
        """Return a workbench without parts."""
        return WorkbenchSummary("work", self._name)

    @property
    def device(self) -> str:
        """Return nothing: the work says what it runs on."""
        return ""

    @property
    def dtype(self) -> str:
        """Return nothing: the work says what it computes in."""
        return ""

    def lane(self, verb: Verb) -> Lane:
        """Everything here is done by a child."""
        return "child"

    def resolve(self, verb: Verb) -> tuple[Verb, Provenance]:
        """Check that the command is known; raise BadInput where it is not."""
        if not isinstance(verb, Work) or verb.command.partition(" ")[0] not in (*_COMMANDS, "index"):
            raise BadInput("This backend only trains, evaluates and indexes.", "Ask another workbench.")
        return verb, self._provenance(verb)

    def _provenance(self, verb: Work) -> Provenance:
        given = verb.arguments
        return Provenance(
            protocol=PROTOCOL,
            version=investigator.__version__,
            build=build_id(),
            workbench=str(given.get("workbench") or given.get("out") or ""),
            parts={},
            device=str(given.get("device", "")),
            dtype=str(given.get("dtype", "")),
            threads=self._settings.backend.threads or os.cpu_count() or 1,
            seed=int(given["seed"]) if "seed" in given else None,
            libraries={"python": sys.version.split()[0]} | {name: metadata.version(name) for name in _LIBRARIES},
            machine=f"{platform.system()} {platform.machine()}",
            asked_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        )

    def first(self, verb: Verb) -> Iterator[Event]:
        """Nothing here is known at once."""
        return iter(())

    def run(self, verb: Verb) -> Iterator[Event | None]:
        """Do the work: progress and figures as they come, then all figures."""
        assert isinstance(verb, Work)
        command, _, name = verb.command.partition(" ")
        figures: dict[str, Figure] = {}
        message = ""
        for step in _built(verb) if _is_built(verb) else _COMMANDS[command](name, verb.arguments):
            if isinstance(step, str):
                message = step
                continue
            for figure in _figures(step):
                figures[figure.name] = figure
            if isinstance(step, Figure):
                yield Partial((step,))
            else:
                yield Progress(step.done, step.total, step.message)
        yield Finished(Worked(verb.command, tuple(figures.values()), message))


def _figures(step: Any) -> list[Figure]:
    if isinstance(step, Figure):
        return [step]
    if isinstance(step, Progress):
        return []
    finite = {name: value if math.isfinite(value) else None for name, value in step.figures.items()}
    return [Figure(name, value, "") for name, value in finite.items()]


def _train(stage: str, given: Arguments) -> Iterator[Step]:
    from backends.engine.training.allocator import keep_freed_memory
    from backends.engine.training.stages import STAGES, prepare

    if stage not in STAGES:
        raise BadInput(f"There is no stage {stage!r} of training.", f"The stages: {', '.join(STAGES)}.")
    keep_freed_memory()
    texts = {name: str(given.get(name) or "") for name in ("recipe", "subject", "layer", "files", "sheets")}
    prepared = prepare(
        Path(texts["recipe"]) if texts["recipe"] else None,
        Path(str(given["out"])),
        texts["subject"],
        Path(str(given.get("corpus", ""))),
        device=str(given.get("device") or "cpu"),
        dtype=str(given.get("dtype") or "auto"),
        layer=int(texts["layer"]) if texts["layer"] else None,
        files=tuple(map(Path, texts["files"].splitlines())),
        sheets=Path(texts["sheets"]) if texts["sheets"] else None,
        first=int(given.get("first", 0)),
        count=int(given.get("count", 2250)),
        reader=str(given.get("reader", "")),
    )
    yield from STAGES[stage](prepared)


def _evaluate(name: str, given: Arguments) -> Iterable[Step | Figure | str]:
    workbench, device = Path(str(given["workbench"])), str(given.get("device") or "cpu")
    if name == "controls":
        from backends.engine.evaluating.controls.run import evaluate_controls

        only, seed, scale = str(given.get("only", "")), int(given.get("seed", 1)), float(given.get("scale", 1.0))
        return evaluate_controls(workbench, only=only, seed=seed, scale=scale, device=device)
    if name == "paper-tables":
        from backends.engine.evaluating.paper.run import write_paper_tables

        return write_paper_tables(workbench, Path(str(given["out"])), device=device)
    if name in {"crossmodel", "bridge"}:
        from backends.engine.evaluating.crossmodel.run import evaluate_crossmodel, write_bridge

        how: dict[str, Any] = {"name": str(given.get("map", "")), "seed": int(given.get("seed", 1)), "device": device}
        how["scale"] = float(given.get("scale", 1.0))
        if name == "bridge":
            return write_bridge(workbench, Path(str(given["out"])), **how)
        return evaluate_crossmodel(workbench, **how)
    from backends.engine.evaluating.pocket import evaluate_pocket

    return evaluate_pocket(workbench.parent, device=device)


_COMMANDS: dict[str, Any] = {"train": _train, "evaluate": _evaluate}
"""From a command's first word to a generator of progress and figures."""


INDEXES = {
    "controls": "backends.engine.controls.build_work",
    "corpus": "backends.engine.index.corpus_work",
    "labels": "backends.engine.index.build_labels",
}
"""From a kind of index to the module whose `build(verb)` makes it: a generator of progress and figures, and of a `str`
that says what came of it."""
BUILT = {"train map": "backends.engine.crossmodel.work"}
"""The same for other commands."""


def _is_built(verb: Work) -> bool:
    return verb.command.startswith("index ") or verb.command in BUILT


def _built(verb: Work) -> Iterable[Progress | Figure | str]:
    kind = verb.command.removeprefix("index ")
    if verb.command not in BUILT and kind not in INDEXES:
        raise BadInput(f"There is no index of {kind!r}.", f"There are: {', '.join(INDEXES)}.")
    made: Iterable[Progress | Figure | str] = importlib.import_module(BUILT.get(verb.command) or INDEXES[kind]).build(
        verb
    )
    return made
