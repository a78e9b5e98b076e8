"""Long commands: a question to a backend of its own that loads nothing, done by that backend's child."""

from __future__ import annotations

import contextlib
from pathlib import Path

from investigator import paths, settings
from investigator.commands.progress import Meter
from investigator.events import Answer
from investigator.wire import Work

ENGINE = "backends.engine.work:WorkEngine"
Arguments = dict[str, str | int | float | bool]


def do(command: str, arguments: Arguments, *, folder: Path, files: tuple[str, ...] = ()) -> Answer:
    """Run a long command to its end, with a progress bar; Ctrl-C stops it, and what it had saved stays.

    `folder` tells the backends of different works apart: work in one folder is done one after the other. `files` are
    what the command reads.
    """
    from backends.launch import Local
    from investigator import api

    meter = Meter()
    backend = Local(str(anchor(folder)), settings.load(), on_message=meter.note, engine=ENGINE)
    with contextlib.closing(api.Investigator(backend)) as bench:
        try:
            return bench.ask(Work(command, arguments, files), meter.watch)
        finally:
            meter.clear()


def anchor(folder: Path) -> Path:
    """Return the file that the backend of a folder's work is known by."""
    file = paths.cache_folder() / "work" / f"{paths.hash_of(str(folder)):08x}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(exist_ok=True)
    return file
