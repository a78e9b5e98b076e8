"""Long commands: a question to a backend of its own that loads nothing, done by that backend's child, here or far."""

from __future__ import annotations

import contextlib
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, cast

from investigator import paths, settings
from investigator.commands.common import Options
from investigator.commands.figures import print_worked
from investigator.commands.printing import print_json
from investigator.commands.progress import Meter
from investigator.errors import InvestigatorError
from investigator.events import Answer
from investigator.records import Worked
from investigator.wire import Cancelled, Event, Failed, Question, Work, encode

if TYPE_CHECKING:
    from backends.launch import Local

ENGINE = "backends.engine.work:WorkEngine"
Arguments = dict[str, str | int | float | bool]


def run_work(options: Options, command: str, arguments: Arguments, *, folder: Path, files: tuple[str, ...] = ()) -> int:
    """Run a long command as its flags say: to its end, or begun and left."""
    if options.detach or options.events:
        import asyncio  # a third of the time that `--help` takes

        return asyncio.run(_begin(options, Work(command, arguments, files), folder))
    worked = cast(Worked, do(command, arguments, folder=folder, files=files).result)
    print_worked(worked, json=options.json)
    return 0


def do(command: str, arguments: Arguments, *, folder: Path, files: tuple[str, ...] = ()) -> Answer:
    """Run a long command to its end, with a progress bar; Ctrl-C stops it, and what it had saved stays.

    `folder` tells the backends of different works apart: work in one folder is done one after the other. `files` are
    what the command reads.
    """
    from investigator import api

    meter = Meter()
    with contextlib.closing(api.Investigator(_backend(folder, meter))) as bench:
        try:
            return bench.ask(Work(command, arguments, files), meter.watch)
        finally:
            meter.clear()


def _backend(folder: Path, meter: Meter) -> Local:
    from backends.launch import Local

    return Local(str(anchor(folder)), settings.load(), on_message=meter.note, engine=ENGINE)


async def _begin(options: Options, verb: Work, folder: Path) -> int:
    """Begin detached work; print its id and leave, or every event as it comes."""
    meter = Meter()
    backend = _backend(folder, meter)
    id = options.events or new_id(verb.command)
    try:
        async for event in backend.ask(Question(id, backend.client, verb, detached=True)):
            meter.clear()
            if isinstance(event, Failed | Cancelled):
                return _refused(event, options)
            if not options.events:
                say_begun(id, options)
                return 0
            print_event(event)
        return 0
    finally:
        await backend.aclose()


def new_id(command: str) -> str:
    """Return an id for a work, which begins with its command."""
    return f"{command.replace(' ', '-')}-{uuid.uuid4().hex[:8]}"


def print_event(event: Event) -> None:
    """Print one event as a line of JSON, at once."""
    sys.stdout.buffer.write(encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _refused(event: Failed | Cancelled, options: Options) -> int:
    if options.events:
        print_event(event)
        return 0
    if isinstance(event, Failed):
        raise InvestigatorError(event.message, event.mend)
    raise InvestigatorError("The work was stopped before it began.", event.reason)


def say_begun(id: str, options: Options) -> None:
    """Print the id of work that was begun and left."""
    if options.json:
        print_json({"work": id})
        return
    print(id)
    where = f" --on {options.on}" if options.on else ""
    print(f"`investigator work attach {id}{where}` shows how it goes.", file=sys.stderr)


def far_work(options: Options) -> int:
    """Run the very command that was typed on the host that it names."""
    from investigator.commands import far_work as far

    return far.run(options)


def anchor(folder: Path) -> Path:
    """Return the file that the backend of a folder's work is known by."""
    file = paths.cache_folder() / "work" / f"{paths.hash_of(str(folder)):08x}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(exist_ok=True)
    return file
