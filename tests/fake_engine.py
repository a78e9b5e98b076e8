"""An engine over canned generators, whose steps a test can hold, count and break; no torch, no model."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backends.base import Lane
from investigator.errors import BadInput, WorkbenchError
from investigator.provenance import Provenance, WorkbenchSummary
from investigator.records import (
    Agreed,
    AgreementRow,
    CheckRow,
    Checkup,
    Explanations,
    FeatureRow,
    Features,
    Figure,
    LabelRow,
    Labels,
    Likely,
    Opened,
    Score,
    SweepCell,
    SweepRow,
    Swept,
    Tested,
    Token,
    Worked,
)
from investigator.settings import Settings
from investigator.sources import Residual
from investigator.wire import (
    Agree,
    CheckWorkbench,
    Event,
    Explain,
    Finished,
    Open,
    Partial,
    Progress,
    RankLabels,
    ShowFeatures,
    Sweep,
    Verb,
    Work,
)

SOURCE = Residual("tiny", (1, 2, 3), 0, -1)


@dataclass
class Gate:
    """Lets generators step one by one where `hold` is set, and counts their steps by label."""

    hold: bool = False
    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    order: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def step(self, label: str) -> None:
        """Count a step, after waiting for leave."""
        if self.hold:
            assert self.permits.acquire(timeout=20), "no test gave leave for this step"
        self.order.append(label)

    def allow(self, steps: int = 1) -> None:
        """Give leave for some steps."""
        self.permits.release(steps)


class FakeEngine:
    """`explain` takes as many model steps as samples are asked; `reader` names what is to go wrong."""

    device = "cpu"
    dtype = "float32"

    def __init__(self, workbench: Path, settings: Settings, gate: Gate | None = None) -> None:
        self.workbench = workbench
        self.settings = settings
        self.gate = gate or Gate()

    def load(self) -> None:
        if "broken" in self.workbench.name:
            raise WorkbenchError("The weights are cut short.", "Fetch them again.")
        if "crashing" in self.workbench.name:
            raise ValueError("unforeseen")
        if "slow" in self.workbench.name:
            while self.workbench.exists():
                time.sleep(0.01)

    def summary(self) -> WorkbenchSummary:
        return WorkbenchSummary(self.workbench.stem, str(self.workbench))

    def lane(self, verb: Verb) -> Lane:
        if isinstance(verb, Work):
            return "child"
        return "model" if isinstance(verb, Explain | RankLabels) else "fast"

    def resolve(self, verb: Verb) -> tuple[Verb, Provenance]:
        if isinstance(verb, Open) and not verb.prompt:
            raise BadInput("The prompt is empty.", "Type something.")
        return verb, Provenance(1, "0", "b", "w", {}, "cpu", "float32", 1, None, {}, "m", "2026-01-01T00:00:00Z")

    def first(self, verb: Verb) -> Iterator[Event]:
        """Say at once what `reader` asks for: `estimate` an early row, `estimate breaks` an error."""
        reader = getattr(verb, "reader", "")
        if isinstance(verb, RankLabels) and reader.startswith("estimate"):
            if reader == "estimate breaks":
                raise WorkbenchError("The estimate broke.", "Nothing.")
            yield Partial((LabelRow("early", Score(score=-1.0, estimate=True)),))

    def run(self, verb: Verb) -> Iterator[Event | None]:
        match verb:
            case Explain():
                return self._explain(verb)
            case RankLabels():
                return self._labels(verb)
            case ShowFeatures():
                return iter([Finished(Features("sae", "z", 1, 0, (FeatureRow(7, 1.5, 2.5, 0.01, ("a",)),)))])
            case Agree():
                rows = (AgreementRow(verb.texts[0][0], verb.texts[1][0], 0.83, 0.0002, True),)
                return iter([Finished(Agreed("pocket-static", 0.73, verb.share, 1024, 523_776, 1, 1, rows))])
            case CheckWorkbench():
                return iter([Finished(Checkup((CheckRow("parts", "ok", "They fit."),)))])
            case Work():
                return self._work(verb)
            case Open():
                opened = Opened("tiny", verb.prompt, (Token(1, verb.prompt),), 1, 1, ((1.0,),), (Likely("a", 1.0),))
                return iter([None, Finished(opened)])
            case Sweep():
                return self._sweep(verb)
            case _:
                return iter([Finished(Tested("reader", ()))])

    def _sweep(self, verb: Sweep) -> Iterator[Event | None]:
        assert isinstance(verb.source, Residual)
        count = len(verb.source.token_ids)
        special = SweepCell(Score(error="A special token stands here, which no reader was trained to read."))
        read = (SweepCell(Score(0.5 * at - 2, 0.5 * at, 0.25, 3, 3)) for at in range(1, count))
        cells = (special, *read)
        rows = tuple(SweepRow(layer, "reader", cells=cells) for layer in verb.layers)
        for at, row in enumerate(rows):
            yield Progress(at * count, len(rows) * count, f"layer {row.layer}")
            yield Partial((row,))
        yield Finished(Swept(verb.source.subject, verb.text, 0, count, rows))

    def _explain(self, verb: Explain) -> Iterator[Event | None]:
        label = verb.reader or "explain"
        try:
            for step in range(verb.samples):
                self.gate.step(label)
                yield Progress(step + 1, verb.samples)
            yield Finished(Explanations("reader", verb.samples, 0, ()))
        finally:
            self.gate.closed.append(label)

    def _labels(self, verb: RankLabels) -> Iterator[Event | None]:
        yield None
        if verb.reader == "raises":
            raise RuntimeError("a tensor of the wrong shape")
        if verb.reader == "memory":
            raise MemoryError
        if verb.reader == "device":
            raise RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")
        if verb.reader == "unending":
            return
        if verb.reader == "large":
            for number in range(verb.limit):
                yield Partial((LabelRow(f"{number} " + "x" * 10_000, Score(0.0)),))
        value = {"nan": float("nan"), "inf": float("inf")}.get(verb.reader, -1.25)
        rows = (LabelRow("a", Score(value, gap=0.5, tokens=3)),)
        if verb.reader == "partial nan":
            yield Partial((LabelRow("a", Score(float("nan"))),))
        yield Finished(Labels("reader", "gap", 1, 0, rows))

    def _work(self, verb: Work) -> Iterator[Event | None]:
        yield Progress(1, 2, f"child {os.getpid()}")
        if verb.command == "die":
            os._exit(9)
        while verb.command == "wait":
            time.sleep(0.01)
            yield None
        yield Finished(Worked(verb.command, (Figure("loss", 1.5, "nats"),)))


def make(workbench: Path, settings: Settings) -> FakeEngine:
    """Make an engine, as the backend's command line names it."""
    return FakeEngine(workbench, settings)
