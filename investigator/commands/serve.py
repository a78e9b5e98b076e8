"""`serve`: a backend in the foreground, or found or started in the background for somebody far away."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

import msgspec

from investigator import settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.errors import BadInput
from investigator.overrides import overridden

NAME = "serve"
HELP = "run a backend in the foreground, for other programs or a forwarded socket"
EXAMPLE = "investigator serve --workbench pocket --socket ~/pocket.sock"
NEVER = 10 * 365 * 24 * 3600.0
"""Seconds that stand for no end: ten years, because a number on the wire is finite."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--socket", default="", metavar="PATH", help="the unix socket (default: where clients look)")
    parser.add_argument(
        "--detach", action="store_true", help="find or start it in the background, print where it is, and leave"
    )
    parser.add_argument(
        "--linger",
        type=common.checked(_linger),
        metavar="SECONDS",
        help="stay so long after the last client, or never end (default: the setting)",
    )
    common.add_backend(parser, elsewhere=False)


def run(options: Options) -> int:
    """Become the backend (this process is replaced, so signals and exit code are its own), or find or start one."""
    return _detach(options) if options.detach else _become(options)


def _become(options: Options) -> NoReturn:
    from backends.command import environment
    from backends.launch import target

    chosen = _chosen(options)
    command = serve_command(target(options.workbench or chosen.app.workbench, chosen).command, options.socket)
    os.execve(command[0], command, environment())


def _detach(options: Options) -> int:
    """Print a line of JSON that says where the backend listens and who it is, then one that says what is here.

    The lines are `backends.ssh.tunnel.Whereabouts` and `backends.machine.Machine`.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from backends import machine

    if options.socket:
        raise BadInput("A detached backend listens where clients look.", "Leave --socket out.")
    chosen = _chosen(options)
    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(machine.look)
        _print_line(asyncio.run(_found(options.workbench or chosen.app.workbench, chosen)))
        _print_line(looking.result())
    return 0


def _print_line(record: object) -> None:
    print(msgspec.json.encode(record).decode(), flush=True)


async def _found(workbench: str, chosen: settings.Settings) -> dict[str, object]:
    from backends.build import build_id
    from backends.launch import connect
    from investigator import __version__
    from investigator.wire import PROTOCOL

    backend = await connect(workbench, chosen, busy_too=True)
    try:
        who = {"socket": str(backend.socket), "nonce": (await backend.handshake()).nonce, "build": build_id()}
        return {"investigator": __version__, "protocol": PROTOCOL, **who}
    finally:
        await backend.aclose()


def _chosen(options: Options) -> settings.Settings:
    """Return the settings with what the flags name, the linger too."""
    chosen = overridden(settings.load(), options.device, options.dtype)
    if options.linger is None:
        return chosen
    return msgspec.structs.replace(chosen, backend=msgspec.structs.replace(chosen.backend, linger=options.linger))


def _linger(given: str) -> float:
    if given == "never":
        return NEVER
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= NEVER:
        raise BadInput(f"{given!r} is no time to stay.", "Give seconds, or never.")
    return seconds


def serve_command(command: list[str], socket: str) -> list[str]:
    """Return a backend's command line with its log on the terminal and, where one is named, another socket."""
    kept = [word for word in command if not word.startswith("--log=")]
    if not socket:
        return kept
    return [f"--socket={socket}" if word.startswith("--socket=") else word for word in kept]
