"""`work`: long commands that were begun and left: how they go, what came of them, and how to end one."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from investigator import settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.figures import print_worked
from investigator.commands.printing import print_json, print_tables
from investigator.commands.progress import Meter, bar
from investigator.errors import BadInput, Disconnected
from investigator.events import Answer
from investigator.records import Worked
from investigator.tables import Table
from investigator.text import inert, one_line
from investigator.wire import Event, Failed, Work

if TYPE_CHECKING:
    from backends.worklog import Known

NAME = "work"
HELP = "show long commands that were begun with --detach or --on: list them, watch one, or cancel it"
EXAMPLE = "investigator work attach train-mapper-5f2a91c3 --on gpu1"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "attach", "cancel"),
        help="list (default), attach or cancel",
    )
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="as `list` names it; its beginning or end does")
    parser.add_argument("--on", default="", metavar="HOST", help="of another machine: whatever `ssh HOST` reaches")
    parser.add_argument("--events", action="store_true", help="attach: print every event as a line of JSON")
    parser.add_argument(
        "--from", dest="start", type=int, default=0, metavar="N", help="attach: from this event on (default: 0)"
    )
    common.add_output(parser)


def run(options: Options) -> int:
    """List, attach or cancel; with --on over there."""
    if options.action != "list" and not options.id:
        raise BadInput(f"Which work to {options.action}?", "`investigator work` lists them.")
    if options.on:
        return _there(options)
    return {"list": _list, "attach": _attach, "cancel": _cancel}[options.action](options)


def _there(options: Options) -> int:
    from backends.ssh import far, words
    from investigator.commands import far_work

    host = words.host_of(settings.load(), options.on)
    if options.action == "attach" and not options.events:
        return far_work.attach(options.on, host, options.id, json=options.json)
    given = far_work.without(options.given, flags=(), valued=("--on",))
    return far.run(options.on, host, *given)


def _list(options: Options) -> int:
    from backends.worklog import works

    found = works()
    if options.json:
        print_json({"works": [_entry(one) for one in found]})
        return 0
    print_tables([Table("Works", ("work", "state", "progress", "since", "what"), tuple(map(_row, found)))])
    return 0


def _entry(one: Known) -> dict[str, object]:
    question = one.begun.question
    return {
        "id": question.id,
        "state": one.state,
        "verb": question.verb,
        "progress": one.progress,
        "started_at": one.begun.started_at,
        "last": one.last,
    }


def _row(one: Known) -> tuple[str, ...]:
    question = one.begun.question
    said = one.last.message if isinstance(one.last, Failed) else ""
    if one.progress is not None and one.state == "running":
        said = f"{bar(one.progress.done, one.progress.total, 10)} {one.progress.message}"
    verb = question.verb
    what = f"{verb.command} {_target(verb)}" if isinstance(verb, Work) else str(verb.__struct_config__.tag)
    return (question.id, one.state, one_line(said, 60), one.begun.started_at, inert(what.strip()))


def _target(verb: Work) -> str:
    given = verb.arguments
    return str(given.get("out") or given.get("workbench") or "")


def _attach(options: Options) -> int:
    import asyncio  # a third of the time that `--help` takes

    from backends.worklog import find

    known = find(options.id)
    if options.events:
        asyncio.run(_print(known, options.start))
        return 0
    return asyncio.run(_watch(known, json=options.json))


async def _print(known: Known, start: int) -> None:
    from investigator.commands.work import print_event

    async for event in events_of(known, start):
        print_event(event)


async def _watch(known: Known, *, json: bool) -> int:
    from asyncio import CancelledError

    from investigator.asking import checked
    from investigator.commands.far_work import leave

    answer, meter = Answer(known.begun.question.id), Meter()
    try:
        async for event in events_of(known, 0):
            if answer.apply(event):
                meter.watch(answer)
    except CancelledError:
        meter.clear()
        leave(answer.id)
        raise
    finally:
        meter.clear()
    print_worked(cast(Worked, checked(answer).result), json=json)
    return 0


async def events_of(known: Known, start: int) -> AsyncIterator[Event]:
    """Yield a work's events: from its backend while that does it, else from disk.

    Raises Disconnected where the work broke off: its backend was killed.
    """
    from backends.client import SocketBackend
    from backends.worklog import events

    id = known.begun.question.id
    if known.state == "running":
        backend = SocketBackend(Path(known.begun.socket))
        try:
            with contextlib.suppress(BadInput):  # it has just ended, and is on disk
                async for event in backend.follow(id, start=start):
                    start = event.n + 1
                    yield event
        finally:
            await backend.aclose()
    for event in events(id, start):
        yield event
    if known.state == "broke off":
        raise Disconnected(
            f"The work {id} broke off: the backend that did it was ended.", "Give its command again: it goes on."
        )


def _cancel(options: Options) -> int:
    import asyncio

    from backends.worklog import find

    known = find(options.id)
    if known.state != "running":
        raise BadInput(f"The work {known.begun.question.id} is over: {known.state}.", "Nothing is left to cancel.")
    asyncio.run(_stop(known))
    print(f"{known.begun.question.id} is told to end.")
    return 0


async def _stop(known: Known) -> None:
    from backends.client import SocketBackend

    backend = SocketBackend(Path(known.begun.socket))
    try:
        await backend.cancel(known.begun.question.id)
    finally:
        await backend.aclose()
