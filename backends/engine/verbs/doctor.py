"""`doctor`: check that the workbench's parts fit together; answers also where the engine could not load it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.base import Lane
from backends.engine.doctor.checkup import check_workbench
from investigator.records import CheckRow, Checkup
from investigator.wire import CheckWorkbench, Event, Finished, Partial

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine


def lane(engine: WorkbenchEngine, verb: CheckWorkbench) -> Lane:
    """Headers and cards only; the one matrix product it times should not stand in the model's queue."""
    return "fast"


def resolve(engine: WorkbenchEngine, verb: CheckWorkbench) -> CheckWorkbench:
    """Nothing is left to fill in."""
    return verb


def run(engine: WorkbenchEngine, verb: CheckWorkbench) -> Iterator[Event | None]:
    """Show each line as it is found, then all of them."""
    rows: list[CheckRow] = []
    for row in check_workbench(engine.file, engine.settings, loaded=engine.loaded):
        rows.append(row)
        yield Partial((row,))
    yield Finished(Checkup(rows=tuple(rows)))
