"""Installing over ssh: one connection on which the far side says what it has, takes the wheels and installs them."""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess
import tarfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from backends.machine import Machine
from backends.ssh import far, words
from investigator.errors import BackendError, Disconnected
from investigator.settings import Host
from investigator.text import inert

FOLDER = "~/.local/share/investigator-bench"
"""Where it goes unless another folder is named."""
SCRIPT = Path(__file__).with_name("install.sh")
_LINES = 12
Say = Callable[[str], None]


class Wish(NamedTuple):
    """What is to be installed, and how."""

    folder: str = FOLDER
    python: str = ""
    """Makes the environment; empty: uv's choice, or the newest there."""
    system_site_packages: bool = False
    offline: bool = False
    build: str = "any"
    """The build that must be there in the end; one that is there already is left alone. any: whatever is sent."""
    wheels: Sequence[Path] = ()
    """Wheels of what it needs, sent with it."""


class Installed(NamedTuple):
    """What is there now."""

    command: str
    fresh: bool
    """Whether anything was installed."""
    machine: Machine


def install(name: str, host: Host, wish: Wish, wheel: Callable[[], tuple[str, bytes]], say: Say) -> Installed:
    """Install on a host and return what is there; `wheel` gives name and content when they are needed; blocks.

    Raises Disconnected where the host cannot be reached, BackendError with the far side's words where it fails.
    """
    try:
        process = subprocess.Popen(
            words.plain(host.ssh or name, _line(wish), silent=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise far.no_ssh() from error
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    said: list[str] = []
    hearing = threading.Thread(target=far.hear, args=(process.stderr, said), daemon=True)
    hearing.start()
    try:
        found = _converse(process.stdin, process.stdout, wish, wheel, say)
        with contextlib.suppress(OSError):
            process.stdin.close()
        code = process.wait()
        hearing.join(timeout=5)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if isinstance(found, Installed):
        return found
    raise _failure(name, code, found, said)


def _line(wish: Wish) -> str:
    yes = {True: "yes", False: "no"}
    given = [wish.folder, wish.python, yes[wish.system_site_packages], yes[wish.offline], wish.build]
    script = SCRIPT.read_text(encoding="utf-8")
    return shlex.join(["sh", "-c", script, "install", *given])


def _converse(
    down: IO[bytes], up: IO[bytes], wish: Wish, wheel: Callable[[], tuple[str, bytes]], say: Say
) -> Installed | str:
    """Answer the far side line by line; return what is there, or its reason why not."""
    for line in up:
        kind, _, words_ = line.decode(errors="replace").rstrip("\n").partition(" ")
        if kind == "send":
            name, content = wheel()
            size = len(content) + sum(file.stat().st_size for file in wish.wheels)
            say(f"sending {size / 2**20:.0f} MiB to {inert(words_)}")
            _send(down, name, content, wish.wheels)
        elif kind == "step":
            say(inert(words_))
        elif kind == "fail":
            return inert(words_)
        elif kind in ("same", "done"):
            return Installed(words_, kind == "done", msgspec.json.decode(up.read(), type=Machine))
    return ""


def _send(down: IO[bytes], name: str, content: bytes, wheels: Sequence[Path]) -> None:
    with contextlib.suppress(BrokenPipeError), tarfile.open(fileobj=down, mode="w|") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        archive.addfile(entry, io.BytesIO(content))
        for file in wheels:
            archive.add(file, arcname=file.name, recursive=False)
    with contextlib.suppress(OSError):
        down.close()


def _failure(name: str, code: int, reason: str, said: Sequence[str]) -> BackendError:
    last = inert(" ".join(line for line in said[-_LINES:] if line.strip()))[-800:].strip().rstrip(".")
    if code == far.CUT:
        return Disconnected(f"{name} cannot be reached: {last or 'ssh gave no reason'}.", "`ssh -v` says more.")
    return BackendError(
        f"Investigator could not be installed on {name}: {reason or last or f'status {code}'}.",
        "Where the host has no network, send what it needs with --wheels, or use its own with --system-site-packages.",
    )
