"""`serve`: a backend in the foreground, or found or started in the background for somebody far away."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from investigator import settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.errors import BadInput
from investigator.overrides import overridden

NAME = "serve"
HELP = "run a backend in the foreground, for other programs or a forwarded socket"
EXAMPLE = "investigator serve --workbench pocket --socket ~/pocket.sock"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--socket", default="", metavar="PATH", help="the unix socket (default: where clients look)")
    parser.add_argument(
        "--detach", action="store_true", help="find or start it in the background, print where it is, and leave"
    )
    common.add_backend(parser, elsewhere=False)


def run(options: Options) -> int:
    """Become the backend (this process is replaced, so signals and exit code are its own), or find or start one."""
    return _detach(options) if options.detach else _become(options)


def _become(options: Options) -> NoReturn:
    from backends.command import environment
    from backends.launch import target

    chosen = overridden(settings.load(), options.device, options.dtype)
    command = serve_command(target(options.workbench or chosen.app.workbench, chosen).command, options.socket)
    os.execve(command[0], command, environment())


def _detach(options: Options) -> int:
    """Print one line of JSON that says where the backend listens and who it is (`backends.ssh.tunnel.Whereabouts`)."""
    import asyncio
    import json

    from investigator import __version__
    from investigator.wire import PROTOCOL

    if options.socket:
        raise BadInput("A detached backend listens where clients look.", "Leave --socket out.")
    chosen = overridden(settings.load(), options.device, options.dtype)
    socket, nonce = asyncio.run(_found(options.workbench or chosen.app.workbench, chosen))
    print(json.dumps({"investigator": __version__, "protocol": PROTOCOL, "socket": socket, "nonce": nonce}))
    return 0


async def _found(workbench: str, chosen: settings.Settings) -> tuple[str, str]:
    from backends.launch import connect

    backend = await connect(workbench, chosen)
    try:
        return str(backend.socket), (await backend.handshake()).nonce
    finally:
        await backend.aclose()


def serve_command(command: list[str], socket: str) -> list[str]:
    """Return a backend's command line with its log on the terminal and, where one is named, another socket."""
    kept = [word for word in command if not word.startswith("--log=")]
    if not socket:
        return kept
    return [f"--socket={socket}" if word.startswith("--socket=") else word for word in kept]
