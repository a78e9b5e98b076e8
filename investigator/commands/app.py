"""`app`, and no sub-command: the terminal app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from investigator import settings, targets
from investigator.commands import common
from investigator.commands.common import Options
from investigator.errors import BadInput
from investigator.overrides import overridden

if TYPE_CHECKING:
    from backends.base import Backend

NAME = "app"
HELP = "open the terminal app (also without any sub-command)"
EXAMPLE = "investigator app 'The harbour of Lisbon' --session whales"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="open with this prompt")
    add_flags(parser)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that also stand without a sub-command."""
    parser.add_argument("--session", default="", metavar="NAME", help="the session to write to (default: notebook)")
    common.add_backend(parser)


def run(options: Options) -> int:
    """Run the app; it starts the backend itself, once its first frame stands."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("The app needs a terminal.", "Use a sub-command in scripts: `investigator --help` lists them.")
    prompt = targets.text_of(getattr(options, "prompt", ""))
    chosen = overridden(settings.load(), options.device, options.dtype)
    workbench = options.workbench or chosen.app.workbench
    connect = _far(options.on, options.workbench, chosen) if options.on else None
    from screens.run import run as run_app

    return run_app(workbench, chosen, prompt=prompt, session=options.session, connect=connect)


def _far(host: str, workbench: str, chosen: settings.Settings) -> Callable[[], Awaitable[Backend]]:
    """Sign in while the terminal is still free for a password; the app then mends the same link when it breaks."""
    from backends.ssh.remote import Remote

    remote = Remote(host, workbench, chosen)
    remote.sign_in()

    async def connect() -> Backend:
        await remote.reconnect()
        return remote

    return connect
