"""Long commands on a host: begun there by the words that were typed, followed over ssh, taken up after a cut."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec

from investigator import settings
from investigator.commands.common import Options
from investigator.commands.figures import print_worked
from investigator.commands.progress import Meter
from investigator.commands.work import new_id, say_begun
from investigator.ending import Ended
from investigator.errors import Disconnected
from investigator.events import Answer
from investigator.records import Worked
from investigator.settings import Host
from investigator.wire import Event

WAITS = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Seconds before each further try to take a work up; the last repeats."""
_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def run(options: Options) -> int:
    """Begin the work over there and leave, or follow it to its end; Ctrl-C cancels it."""
    from backends.ssh import words

    host = words.host_of(settings.load(), options.on)
    typed = without(options.given, flags=("--detach", "--json"), valued=("--on", "--events"))
    if options.detach:
        return _leave_there(options, host, typed)
    id = new_id(" ".join(word for word in typed[:2] if not word.startswith("-")))
    id = "".join(char if char.isalnum() or char in "-_." else "-" for char in id)
    begin = [*typed, f"--events={id}"]
    return follow(options.on, host, id, begin, json=options.json, stop=lambda: _cancel(options.on, host, id))


def _leave_there(options: Options, host: Host, typed: list[str]) -> int:
    from backends.ssh.far import FarError, lines

    try:
        said = b"".join(lines(options.on, host, *typed, "--detach", "--json"))
    except FarError as error:  # it has said why
        return error.code
    say_begun(msgspec.json.decode(said, type=dict[str, str])["work"], options)
    return 0


def attach(name: str, host: Host, id: str, *, json: bool) -> int:
    """Follow a work that was begun before; Ctrl-C leaves it to itself."""
    return follow(name, host, id, ["work", "attach", id, "--events"], json=json, stop=lambda: leave(id, name))


def follow(name: str, host: Host, id: str, begin: list[str], *, json: bool, stop: Callable[[], None]) -> int:
    """Fold a far work's events, over as many links as it takes, and print what came of it."""
    from backends.ssh.far import FarError
    from investigator.asking import checked

    answer, meter = Answer(id), Meter()
    try:
        for event in _taken_up(name, host, id, begin, answer, meter):
            if answer.apply(event):
                meter.watch(answer)
    except KeyboardInterrupt as told:
        meter.clear()
        if not isinstance(told, Ended):  # a terminal that is closed leaves the work to itself
            stop()
        raise
    except FarError as error:  # it has said why, on standard error
        return error.code
    finally:
        meter.clear()
    made = answer.provenance.machine if answer.provenance else ""
    print_worked(cast(Worked, checked(answer).result), json=json, where=f"{name}, {made}".rstrip(", "))
    return 0


def _taken_up(name: str, host: Host, id: str, begin: list[str], answer: Answer, meter: Meter) -> Iterator[Event]:
    from backends.ssh import far

    words, tries = begin, 0
    while not answer.ended:
        try:
            for line in far.lines(name, host, *words, silent=answer.last >= 0):
                yield _events.decode(line)
                tries = 0
            return
        except Disconnected:
            if answer.last < 0:
                raise
        meter.note(f"the link to {name} broke; the work goes on there")
        time.sleep(WAITS[min(tries, len(WAITS) - 1)])
        tries += 1
        words = ["work", "attach", id, "--events", f"--from={answer.last + 1}"]


def _cancel(name: str, host: Host, id: str) -> None:
    from backends.ssh import far

    if far.run(name, host, "work", "cancel", id):
        print(f"It may go on: `investigator work cancel {id} --on {name}`.", file=sys.stderr)


def leave(id: str, on: str = "") -> None:
    """Say how a work that goes on is ended."""
    where = f" --on {on}" if on else ""
    print(f"It goes on; `investigator work cancel {id}{where}` ends it.", file=sys.stderr)


def without(given: Sequence[str], *, flags: tuple[str, ...], valued: tuple[str, ...]) -> list[str]:
    """Return words of a command line without these flags and those that take a value."""
    kept: list[str] = []
    words = iter(given)
    for word in words:
        if word in valued:
            with contextlib.suppress(StopIteration):
                next(words)
        elif word not in flags and not word.startswith(tuple(f"{name}=" for name in valued)):
            kept.append(word)
    return kept
