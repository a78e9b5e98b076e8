"""When memory for one more batch is not there: the batch in halves, and a note for the record."""

from __future__ import annotations

from collections.abc import Callable

import torch

from backends.engine.likelihood.plan import Step
from backends.engine.likelihood.splitting import halves
from investigator.errors import ScoreError

# What the processor's allocator says; it has no error class of its own.
_WORDS = ("not enough memory", "can't allocate memory", "out of memory")


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


HALVED = "batches were halved because memory was short"
"""What the record says of it."""


def fewer(error: BaseException, rows: int) -> int:
    """Return half as many rows where an error says that memory ran out; raise it again where it says another thing.

    Raises ScoreError where memory is short even for one row.
    """
    if not is_shortage(error):
        raise error
    if rows < 2:
        raise ScoreError(
            "There is not enough memory for even one text.", "Close other programs, or open a smaller model."
        ) from error
    _release()
    return rows // 2


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


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
