"""Events as lines, and failures as events: nothing leaves that is not a number where a number is needed."""

from __future__ import annotations

import json
import logging
import math
import re
from pathlib import Path
from typing import Any

import msgspec

from investigator.errors import InvestigatorError, ScoreError
from investigator.wire import Event, Failed, Verb

log = logging.getLogger("backends.server")
_encoder = msgspec.json.Encoder()
_ALLOCATOR = re.compile("not enough memory|can't allocate memory|out of memory", re.IGNORECASE)
"""What allocators without an error class of their own say (torch's of the processor, MPS)."""
_DEVICE = re.compile(r"(CUDA|HIP) error(?!: out of memory)|device-side assert|GPU is lost|CUDNN_STATUS_EXECUTION")
"""What a driver says after which its context is of no use: only another process gets a fresh one."""


def device_lost(error: BaseException) -> bool:
    """Whether an error says that the accelerator answers this process no more; every later call would fail as well."""
    return not isinstance(error, InvestigatorError) and bool(_DEVICE.search(str(error)))


def line(event: Event, n: int) -> bytes:
    """Return the event, numbered, as one line of JSON; raise ScoreError where it holds NaN or an infinity."""
    numbered = msgspec.structs.replace(event, n=n)
    encoded = _encoder.encode(numbered)
    # Only null can stand for a NaN, so an event without one is clean; the slow look costs 4 ms for 3,600 rows.
    if b"null" in encoded:
        _refuse_nan(numbered)
    return encoded + b"\n"


def _refuse_nan(event: Event) -> None:
    plain = msgspec.to_builtins(event)
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        raise ScoreError(
            f"A number of the answer ({_where(plain)}) is not finite, so the answer is not shown.",
            "Try float32, another source or another text.",
        ) from None


def _where(value: Any, path: str = "") -> str:
    if isinstance(value, float):
        return "" if math.isfinite(value) else path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return next(filter(None, (_where(inner, f"{path}.{key}".lstrip(".")) for key, inner in pairs)), "")


def failed(error: BaseException, verb: Verb, log_file: Path | str) -> Failed:
    """Return the event that an exception becomes; one that was not foreseen is logged with its traceback."""
    if isinstance(error, InvestigatorError):
        return Failed(error.kind, error.message, error.mend)
    name = name_of(verb)
    log.error("%s failed", name, exc_info=error)
    if device_lost(error):
        first = str(error).strip().splitlines()[0][:200].rstrip(".")
        return Failed(
            "backend",
            f"The device stopped answering ({first}), so the backend ends and is started anew.",
            "Ask again; where it stays so, `nvidia-smi` says how the device is.",
        )
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or _ALLOCATOR.search(str(error)):
        return Failed(
            "error", f"There was not enough memory for `{name}`.", "Ask for less at once, or a shorter prompt."
        )
    return Failed(
        "error",
        f"`{name}` stopped on a fault that is not yours ({type(error).__name__}).",
        f"The log says more: {log_file}",
    )


def name_of(verb: Verb) -> str:
    """Return a verb's name on the wire."""
    return str(verb.__struct_config__.tag)
