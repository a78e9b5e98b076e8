"""`app`, and no sub-command: the terminal app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from investigator import settings, targets
from investigator.commands import common
from investigator.commands.common import Options
from investigator.errors import BadInput, NotInstalled
from investigator.overrides import overridden

if TYPE_CHECKING:
    from backends.base import Backend
    from backends.ssh.remote import Remote

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
    remote = _signed_in(options) if options.on else None
    from screens.run import run as run_app

    if remote is None:
        return run_app(workbench, chosen, prompt=prompt, session=options.session)
    return run_app(
        options.workbench or remote.tunnel.host.workbench or workbench,
        chosen,
        prompt=prompt,
        session=options.session,
        connect=_mending(remote),
        host=options.on,
        greeting=remote.greeting,
    )


def _signed_in(options: Options) -> Remote:
    """Sign in while the terminal is still free for a password, and for the question whether to install."""
    try:
        return _reached(options)
    except NotInstalled as error:
        from investigator.commands.install import offered

        if not offered(options.on, str(error)):
            raise
    return _reached(options)


def _reached(options: Options) -> Remote:
    from backends.ssh.remote import Remote

    remote = Remote(options.on, options.workbench, settings.load(), device=options.device, dtype=options.dtype)
    remote.sign_in()
    return remote


def _mending(remote: Remote) -> Callable[[], Awaitable[Backend]]:
    """Return what the app connects with: the link that was signed in to, made again when it breaks."""

    async def connect() -> Backend:
        await remote.reconnect()
        return remote

    return connect
