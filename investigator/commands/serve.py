"""`serve`: a backend in the foreground."""

from __future__ import annotations

import argparse
import os

from investigator import settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.overrides import overridden

NAME = "serve"
HELP = "run a backend in the foreground, for other programs or a forwarded socket"
EXAMPLE = "investigator serve --workbench pocket --socket ~/pocket.sock"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--socket", default="", metavar="PATH", help="the unix socket (default: where clients look)")
    common.add_backend(parser)


def run(options: Options) -> int:
    """Become the backend: this process is replaced, so signals and exit code are the backend's own."""
    from backends.command import environment
    from backends.launch import target

    chosen = overridden(settings.load(), options.device, options.dtype)
    command = serve_command(target(options.workbench or chosen.app.workbench, chosen).command, options.socket)
    os.execve(command[0], command, environment())


def serve_command(command: list[str], socket: str) -> list[str]:
    """Return a backend's command line with its log on the terminal and, where one is named, another socket."""
    kept = [word for word in command if not word.startswith("--log=")]
    if not socket:
        return kept
    return [f"--socket={socket}" if word.startswith("--socket=") else word for word in kept]
