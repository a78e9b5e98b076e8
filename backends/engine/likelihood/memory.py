"""When memory for one more batch is not there: the batch in halves, and a note for the record."""

from __future__ import annotations

from collections.abc import Callable

from backends.engine.likelihood.plan import Step
from backends.engine.likelihood.splitting import halves
from backends.engine.shortage import HALVED, fewer, is_shortage

__all__ = ["HALVED", "fewer", "halving", "is_shortage"]


def halving(work: Callable[[Step], None], step: Step) -> str:
    """Do a step's work, halved as often as memory demands; return what to record, empty where nothing was halved.

    Raises ScoreError where memory is short even for one segment.
    """
    try:
        work(step)
        return ""
    except (MemoryError, RuntimeError) as error:
        parts = halves(step)
        fewer(error, len(parts))
    for part in parts:
        halving(work, part)
    return HALVED
