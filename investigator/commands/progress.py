"""Progress on standard error: one line that is drawn over, and only where a person watches."""

from __future__ import annotations

import shutil
import sys
import threading
import time

from investigator.events import Answer
from investigator.text import inert, one_line

EVERY = 0.1
"""Seconds between two drawings: ten a second are as many as an eye follows."""


class Meter:
    """A progress line on a terminal; silent where standard error is a file or a pipe."""

    def __init__(self) -> None:
        self._shown = ""
        self._last = 0.0
        self._visible = sys.stderr.isatty()
        self._lock = threading.Lock()

    def watch(self, answer: Answer) -> None:
        """Draw how far an answer is."""
        if answer.progress is not None and not answer.ended:
            self.note(f"{bar(answer.progress.done, answer.progress.total)} {answer.progress.message}")

    def note(self, text: str) -> None:
        """Draw a line over the last one."""
        with self._lock:
            if self._visible and time.monotonic() - self._last >= EVERY:
                self._last = time.monotonic()
                self._draw(one_line(text, shutil.get_terminal_size().columns - 1))

    def say(self, text: str) -> None:
        """Print a sentence that stays."""
        self.clear()
        print(inert(text), file=sys.stderr)

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._shown:
                self._draw("")

    def _draw(self, text: str) -> None:
        if text == self._shown:
            return
        blank = " " * max(len(self._shown) - len(text), 0)
        print(f"\r{text}{blank}\r{text}", end="", file=sys.stderr, flush=True)
        self._shown = text


def bar(done: int, total: int, width: int = 20) -> str:
    """Return a bar with the numbers beside it, as text."""
    if total <= 0:
        return f"{done}"
    filled = min(width * max(done, 0) // total, width)
    return f"[{'#' * filled}{'.' * (width - filled)}] {done}/{total}"
