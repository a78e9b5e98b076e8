"""A child of the backend: does one long verb and appends its numbered events to a file."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from backends.base import Engine
from backends.server.encoding import failed, line
from backends.server.options import engine_maker, parser, settings_of
from investigator.events import ends
from investigator.wire import Event, Verb


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that stands on the first line of standard input; end when that input closes."""
    program = parser("python -m backends.server.child")
    program.add_argument("--events", required=True, help="the file that events are appended to")
    options = program.parse_args(argv)
    verb = msgspec.json.decode(sys.stdin.buffer.readline(), type=Verb)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = settings_of(options)
    with Path(options.events).open("ab", buffering=0) as file:
        _write(file, verb, engine_maker(options, settings))
    return 0


def _end_with_parent() -> None:
    # A plain read: the parent never writes again, so it returns only when the pipe closes.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _write(file: BinaryIO, verb: Verb, make_engine: Callable[[], Engine]) -> None:
    n = 1  # 0 is Accepted, which the backend wrote
    try:
        for event in _events(make_engine(), verb):
            file.write(line(event, n))
            n += 1
            if ends(event):
                return
    except BaseException as error:
        file.write(line(failed(error, verb, "the backend's log"), n))


def _events(engine: Engine, verb: Verb) -> Iterator[Event]:
    return (event for event in engine.run(verb) if event is not None and not isinstance(event, Path))


if __name__ == "__main__":
    sys.exit(main())
