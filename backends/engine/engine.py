"""The engine: a workbench's parts and the verbs that ask about them, assembled behind `backends.base.Engine`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from backends.base import Lane
from backends.engine import provenance, vectors
from backends.engine.captures import Captures
from backends.engine.doctor.fitting import refuse_too_large
from backends.engine.parts import Parts
from backends.engine.summary import summarise
from investigator import workbench as workbenches
from investigator.errors import BackendError
from investigator.provenance import Provenance, WorkbenchSummary
from investigator.settings import Settings
from investigator.sources import Source
from investigator.wire import (
    Agree,
    CheckWorkbench,
    Compare,
    Contrast,
    Event,
    Explain,
    Fetch,
    Find,
    Intervene,
    Open,
    RankLabels,
    ShowFeature,
    ShowFeatures,
    ShowLens,
    Sweep,
    Test,
    Verb,
    Work,
)

_VERBS: dict[type[Any], str] = {
    Open: "open",
    ShowFeatures: "features",
    ShowFeature: "feature",
    RankLabels: "labels",
    Explain: "explain",
    Test: "test",
    Contrast: "contrast",
    Find: "find",
    Compare: "compare",
    Intervene: "intervene",
    Sweep: "sweep",
    Agree: "agree",
    ShowLens: "lens",
    CheckWorkbench: "doctor",
    Fetch: "fetch",
}
"""From a verb to its module under `backends.engine.verbs`, imported when first asked, so that a start stays short."""


class WorkbenchEngine:
    """One open workbench. Every verb's module has `lane`, `resolve` and `run`, which take this engine first."""

    def __init__(self, workbench: str | Path, settings: Settings | None = None) -> None:
        """Name the workbench (bundled name or path); nothing is read before `load`."""
        self.file = workbenches.locate(str(workbench))
        self.settings = settings or Settings()
        self.captures = Captures(self.settings.backend.captures)
        self._parts: Parts | None = None
        self.loaded = False

    # Loading

    def load(self) -> None:
        """Read the workbench, load its first subject and that one's SAEs and labels; raise WorkbenchError."""
        _make_exact(self.settings.backend.threads)
        self._parts = Parts(workbenches.load(self.file), self.file.parent, self.settings)
        refuse_too_large(self.workbench, self.folder, self.settings.backend)
        first = self.parts.subject_name()
        self.parts.subject(first)
        layer = self.parts.default_layer(first)
        for name, entry in self.workbench.saes.items():
            if entry.subject == first and entry.layer == layer:
                self.parts.sae(name)
                self.parts.labels(name)
        self.loaded = True

    @property
    def parts(self) -> Parts:
        """The workbench's parts, each loaded when first needed."""
        if self._parts is None:
            raise BackendError("The workbench is not loaded yet.", "Wait until the backend is ready.")
        return self._parts

    @property
    def workbench(self) -> workbenches.Workbench:
        """The workbench file as read."""
        return self.parts.workbench

    @cached_property
    def name(self) -> str:
        """What opens this workbench again: a bundled name, or the file's path."""
        bundled = next((name for name in workbenches.BUNDLED if workbenches.locate(name) == self.file), None)
        return bundled or str(self.file.absolute())

    @property
    def folder(self) -> Path:
        """The folder of the workbench file."""
        return self.parts.folder

    def vector(self, source: Source) -> Tensor:
        """Return a resolved source's vector, float32 `[d]` on the processor."""
        return vectors.vector(self, source)

    # What it says of itself

    def summary(self) -> WorkbenchSummary:
        """Return what the workbench names; its labels are loaded, because they are counted."""
        return summarise(self.parts, str(self.file))

    @property
    def device(self) -> str:
        """Return the torch device in use."""
        return str(self.parts.subject().device)

    @property
    def dtype(self) -> str:
        """Return the dtype of shown scores."""
        return str(self.parts.subject().dtype).removeprefix("torch.")

    # Questions

    def lane(self, verb: Verb) -> Lane:
        """Say where a verb runs."""
        if isinstance(verb, Work):
            return "child"
        lane: Lane = self._module(verb).lane(self, verb)
        return lane

    def resolve(self, verb: Verb) -> tuple[Verb, Provenance]:
        """Return the verb with defaults filled in, and its provenance; raise BadInput where it cannot be asked."""
        module = self._module(verb)
        resolved: Verb = module.resolve(self, verb)
        plan: str = module.plan(self, resolved) if hasattr(module, "plan") else ""
        return resolved, msgspec.structs.replace(provenance.of(self, resolved), plan=plan)

    def first(self, verb: Verb) -> Iterator[Event]:
        """Say what is known at once of a verb that is to queue for the model: an estimate, where there is one."""
        module = self._module(verb)
        if hasattr(module, "first"):
            yield from module.first(self, verb)

    def run(self, verb: Verb) -> Iterator[Event | Path | None]:
        """Do a resolved verb: Progress and Partial events, then one Finished; raise InvestigatorError on failure."""
        events: Iterator[Event | Path | None] = self._module(verb).run(self, verb)
        return events

    def _module(self, verb: Verb) -> Any:
        name = _VERBS.get(type(verb))
        if name is None:
            raise BackendError(f"The engine does not answer {type(verb).__name__}.", "Ask the backend's server for it.")
        return importlib.import_module(f"backends.engine.verbs.{name}")


def _make_exact(threads: int) -> None:
    """Set the threads, and forbid the shortcuts that change bits from run to run (TF32 keeps 10 bits of a float32)."""
    if threads:
        torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
