"""`backends`: what runs where, and how to end it."""

from __future__ import annotations

import argparse
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from investigator import settings
from investigator.clients import people
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.printing import print_json, print_tables
from investigator.commands.serve import NEVER
from investigator.errors import BackendError, BadInput
from investigator.tables import Table
from investigator.text import inert

if TYPE_CHECKING:
    from backends.roster import Living
    from investigator.provenance import WorkbenchSummary

NAME = "backends"
HELP = "list the backends that run, here or on a host; end one, or print its log"
EXAMPLE = "investigator backends stop pocket --on gpu1"
_LOG_LINES = 40
T = TypeVar("T")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "stop", "logs"), help="list (default), stop or logs"
    )
    parser.add_argument("name", nargs="?", default="", metavar="BACKEND", help="as `list` names it; its beginning does")
    parser.add_argument("--force", action="store_true", help="stop it even while somebody uses it")
    parser.add_argument("--on", default="", metavar="HOST", help="of another machine: whatever `ssh HOST` reaches")
    common.add_output(parser)


def run(options: Options) -> int:
    """List, stop, or print a log; with --on the same command runs over there."""
    if options.on:
        return _there(options)
    if options.action != "list" and not options.name:
        raise BadInput(f"Which backend to {options.action}?", "`investigator backends` lists them.")
    return {"list": _list, "stop": _stop, "logs": _logs}[options.action](options)


def _awaited(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # a third of the time that `--help` takes

    return asyncio.run(work)


def _there(options: Options) -> int:
    from backends.ssh import far, words
    from investigator.commands.far_work import without

    host = words.host_of(settings.load(), options.on)
    return far.run(options.on, host, *without(options.given, flags=(), valued=("--on",)))


def _list(options: Options) -> int:
    from backends.roster import living

    found = _awaited(living())
    if options.json:
        print_json({"backends": [{"name": one.name, "status": one.status, "trouble": one.trouble} for one in found]})
        return 0
    names = (
        "backend",
        "workbench",
        "model",
        "state",
        "device",
        ">memory",
        "since",
        "attached",
        ">questions",
        ">idle s",
    )
    print_tables([Table("Backends", names, tuple(map(_row, found)))])
    return 0


def _row(one: Living) -> tuple[str, ...]:
    status = one.status
    if status is None:
        return (one.name, "", "", inert(one.trouble), "", "", "", "", "", "")
    hands = status.handshake
    running = sum(question.state != "ended" for question in status.questions)
    book = hands.workbench
    return (
        one.name,
        inert(book.name) if book else "",
        inert(_model(book)) if book else "",
        hands.state,
        f"{hands.device} {hands.dtype}".strip(),
        f"{status.memory_bytes / 2**20:.0f} MiB" if status.memory_bytes else "",
        status.started_at,
        ", ".join(map(inert, people(status.clients))),
        str(running),
        _idle(status.idle_seconds, status.linger),
    )


def _model(book: WorkbenchSummary) -> str:
    return ", ".join(f"{subject.family} {subject.parameters / 1e6:,.0f}M" for subject in book.subjects)


def _idle(seconds: float, linger: float) -> str:
    if not seconds:
        return ""
    return f"{seconds:.0f} of {linger:.0f}" if linger < NEVER else f"{seconds:.0f}, stays"


def _stop(options: Options) -> int:
    from backends.roster import stop

    print(f"{_awaited(stop(options.name, force=options.force)).name} is told to end.")
    return 0


def _logs(options: Options) -> int:
    from backends.roster import find

    log = _awaited(find(options.name)).place.log
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    except OSError as error:
        raise BackendError(f"The log {log} cannot be read: {error.strerror}.", "It logs to its terminal.") from error
    print("\n".join(map(inert, lines)))
    return 0
