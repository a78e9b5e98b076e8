"""Being told to end: a signal that ends a process first lets it stop its question and store what had come."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What `kill`, a shutdown and a closed terminal send."""


class Ended(KeyboardInterrupt):
    """A signal asked this process to end; whatever stops a question for Ctrl-C stops it for this too."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
        """As shells report a process that a signal ended."""


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raise `Ended` in the main thread for every such signal that is not ignored (nohup ignores SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in heard:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _: FrameType | None) -> None:
    raise Ended(number)
