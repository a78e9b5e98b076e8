"""Running the app on a terminal: what to reach for is decided here, and reached for after the first frame."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from investigator.settings import Settings
from screens import keymap
from screens.app import InvestigatorApp
from screens.link import Connect

if TYPE_CHECKING:
    from backends.base import Backend
    from sessions import Store


def local(workbench: str, settings: Settings) -> Connect:
    """Return what connects to the local backend of a workbench, found or started."""

    async def connect() -> Backend:
        # Not before the first frame: on two cores a backend that imports torch made that frame a third slower
        # (2.4 against 1.9 times an empty app's), while the first ranking has time to spare.
        from backends.start import start_early

        start_early(workbench, settings)
        from backends import launch

        return await launch.connect(workbench, settings)

    return connect


def _default_store() -> Store:
    from sessions import open_store

    return open_store()


def run(
    workbench: str,
    settings: Settings,
    *,
    prompt: str = "",
    session: str = "",
    connect: Connect | None = None,
    host: str = "",
    greeting: tuple[str, ...] = (),
    store: Callable[[], Store] | None = _default_store,
) -> int:
    """Run the app until it is left, and return the exit code; `connect` reaches another backend than the local one.

    `host` names the machine where that backend is, `greeting` is what there is to say of it.
    """
    found = keymap.load()
    app = InvestigatorApp(
        connect or local(workbench, settings),
        store,
        settings,
        workbench=workbench,
        session_name=session,
        prompt=prompt,
        keymap=found.moved,
        troubles=found.troubles,
        host=host,
        greeting=greeting,
    )
    # What starting makes lives as long as the app: the collector would only walk over it again and again.
    gc.disable()
    app.run()
    return app.return_code or 0
