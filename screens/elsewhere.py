"""What other programs write to the same session file: their findings and answers appear here within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from investigator.errors import InvestigatorError

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from sessions import Store

PERIOD = 2.0
"""Seconds between two looks; each takes a fraction of a millisecond in a thread."""


class Elsewhere:
    """Looks at the file now and then, and lets the screens list again where it has grown."""

    def __init__(self, app: InvestigatorApp, store: Store) -> None:
        self.app = app
        self._store = store

    async def watch(self) -> None:
        """Look until the app ends."""
        seen = await self._newest()
        while True:
            await asyncio.sleep(PERIOD)
            found = await self._newest()
            if found is not None and seen is not None and found != seen:
                self.app.store_changed.publish(self.app.store_trouble)
            seen = found or seen

    async def _newest(self) -> tuple[int, int] | None:
        try:
            return await asyncio.to_thread(self._store.newest)
        except InvestigatorError:
            return None  # said where the store is read for somebody
