"""`doctor`: check that the workbench's parts fit together; answers also where the engine could not load it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.base import Lane
from backends.engine.doctor.checkup import check_workbench
from backends.engine.doctor.injected import check_loaded
from investigator.records import CheckRow, Checkup
from investigator.wire import CheckWorkbench, Event, Finished, Partial
from investigator.workbench import UNTRAINED

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def lane(engine: WorkbenchEngine, verb: CheckWorkbench) -> Lane:
    """Headers and cards only; the one matrix product it times should not stand in the model's queue."""
    return "fast"


def resolve(engine: WorkbenchEngine, verb: CheckWorkbench) -> CheckWorkbench:
    """Nothing is left to fill in."""
    return verb


def _injecting(engine: WorkbenchEngine) -> list[str]:
    """Return the readers that test themselves, the training-free ones of the first subject among them."""
    if not engine.loaded:
        return []
    named = [name for name, entry in engine.workbench.readers.items() if entry.kind != "soft_prompt"]
    return [*named, *(name for name in UNTRAINED if name not in engine.workbench.readers)]


def run(engine: WorkbenchEngine, verb: CheckWorkbench) -> Iterator[Event | None]:
    """Show each line as it is found, then all of them."""
    rows: list[CheckRow] = []
    for row in check_workbench(engine.file, engine.settings, loaded=engine.loaded):
        rows.append(row)
        yield Partial((row,))
    for name in _injecting(engine):
        rows.append(check_loaded(engine, name))
        yield Partial((rows[-1],))
    yield Finished(Checkup(rows=tuple(rows)))
