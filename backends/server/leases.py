"""Leases: who has promised to come back, and when that promise ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from backends.server import limits
from backends.server.refusals import Refused


class Leases:
    """The leases of all clients; `on_end` is called with a client whose lease ended."""

    def __init__(self, seconds: float, on_end: Callable[[str], None]) -> None:
        self._seconds = seconds
        """Of the lease that a question brings with it."""
        self._on_end = on_end
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def clients(self) -> tuple[str, ...]:
        """The clients that hold a lease."""
        return tuple(self._timers)

    def renew(self, client: str, seconds: float) -> None:
        """Let a client's lease end `seconds` from now; raise Refused for an impossible length."""
        if not (math.isfinite(seconds) and 0 < seconds <= limits.LONGEST_LEASE):
            raise Refused(f"A lease lasts between 0 and {limits.LONGEST_LEASE:.0f} seconds, not {seconds}.")
        self._drop(client)
        self._timers[client] = self._loop.call_later(seconds, self.end, client)

    def touch(self, client: str) -> None:
        """See that a client that asks has a lease of the usual length at least."""
        timer = self._timers.get(client)
        if timer is None or timer.when() < self._loop.time() + self._seconds:
            self.renew(client, self._seconds)

    def end(self, client: str) -> None:
        """End a lease, as its client does when it leaves; ending none is harmless."""
        if self._drop(client):
            self._on_end(client)

    def _drop(self, client: str) -> bool:
        timer = self._timers.pop(client, None)
        if timer is not None:
            timer.cancel()
        return timer is not None
