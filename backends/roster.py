"""The roster: which backends of this user live on this machine, and what each is doing."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from backends import rendezvous
from backends.client import SocketBackend
from backends.rendezvous import Place
from investigator import paths
from investigator.errors import BadInput, InvestigatorError
from investigator.wire import ServerStatus

PATIENCE = 5.0
"""Seconds in which a backend must say how it is."""


class Living(NamedTuple):
    """One backend: its name (of its socket), its files, and its status, or why there is none."""

    name: str
    place: Place
    status: ServerStatus | None
    trouble: str = ""


async def living() -> list[Living]:
    """Return every backend that holds its lock in the usual folder, by name."""
    files = sorted(paths.socket_folder().glob("*.nonce"))
    places = [rendezvous.place_of(file.with_suffix(".sock")) for file in files]
    return list(await asyncio.gather(*(_look(place) for place in places if rendezvous.alive(place))))


async def _look(place: Place) -> Living:
    backend = SocketBackend(place.socket)
    try:
        rendezvous.check_socket(place.socket)
        return Living(place.socket.stem, place, await asyncio.wait_for(backend.status(), PATIENCE))
    except (InvestigatorError, TimeoutError) as error:
        return Living(place.socket.stem, place, None, str(error) or "It does not answer.")
    finally:
        await backend.aclose()


async def find(name: str) -> Living:
    """Return the one backend whose name begins so; raise BadInput where none or several do."""
    found = [one for one in await living() if one.name.startswith(name)]
    if len(found) != 1:
        known = ", ".join(one.name for one in found or await living()) or "none"
        raise BadInput(
            f"{'Several backends are' if found else 'There is no backend'} called {name!r}.", f"There are: {known}."
        )
    return found[0]


async def stop(name: str, *, force: bool = False) -> Living:
    """End a backend; raise an error where somebody uses it and `force` is not asked."""
    found = await find(name)
    backend = SocketBackend(found.place.socket)
    try:
        await backend.shut_down(force=force)
    finally:
        await backend.aclose()
    return found
