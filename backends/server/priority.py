"""Thread priorities: the model's threads give way to those that answer what is already captured."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from backends.server import limits


def lower_model_threads() -> None:
    """Lower the calling thread, and the native pool that torch has made by now; later pools inherit it (Linux only)."""
    if not sys.platform.startswith("linux"):
        return  # elsewhere niceness is the whole process's
    ours = {thread.native_id for thread in threading.enumerate()} - {threading.get_native_id()}
    for thread in map(int, os.listdir("/proc/self/task")):  # noqa: PTH208 (names, not paths)
        if thread not in ours:
            _lower(thread)


def _lower(thread: int) -> None:
    with contextlib.suppress(OSError):
        current = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(current + limits.NICENESS, 19))
