"""When memory runs out: telling that from other failures, and half as much at a time."""

from __future__ import annotations

import torch

from investigator.errors import ScoreError

# What the processor's allocator says; it has no error class of its own.
_WORDS = ("not enough memory", "can't allocate memory", "out of memory")
HALVED = "batches were halved because memory was short"
"""What the record says of it."""


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


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
    release()
    return rows // 2


def release() -> None:
    """Give back to the device what this process keeps of it and does not use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
