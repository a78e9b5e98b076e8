"""Who is at the other end of a connection: only this user and root are answered."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("backends.server")


def peer_user(link: socket.socket) -> int | None:
    """Return the user id of the process at the other end of a unix socket; None where the system does not say."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        _, user, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return int(user)
    return None


def welcome(user: int | None) -> bool:
    """Whether a peer may ask; without credentials the folder (0700) and the socket (0600) keep others out."""
    return user in (None, os.getuid(), 0)


class OwnUserProtocol(H11Protocol):  # type: ignore[misc]
    """HTTP that closes a connection of another user before it reads a byte."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Check the peer's credentials, then begin."""
        link = transport.get_extra_info("socket")
        user = peer_user(cast(socket.socket, link)) if link is not None else None
        if not welcome(user):
            log.warning("a connection of user %s is refused", user)
            transport.abort()
            return
        super().connection_made(transport)
