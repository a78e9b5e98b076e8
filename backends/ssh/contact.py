"""First contact: what a host has and whether its version is ours, said once and again when it changes."""

from __future__ import annotations

import contextlib

import msgspec

from backends import machine
from backends.machine import Machine
from investigator import __version__, paths
from investigator.text import inert


def greeting(name: str, found: Machine | None, version: str) -> tuple[str, ...]:
    """Return the sentences that a connection begins with: another version, explained, and what the host has."""
    return (*difference(name, version), *([f"{name}: {machine.words(found)}."] if found else []))


def difference(name: str, version: str) -> tuple[str, ...]:
    """Return the sentence about a host of another version that speaks our protocol; none where it is ours."""
    if version == __version__:
        return ()
    return (
        f"{name} has Investigator {inert(version)}, this machine {__version__}: they understand each other. "
        f"`investigator install --on {name}` puts {__version__} there.",
    )


def is_new(name: str, version: str) -> bool:
    """Whether a host is met for the first time, or either side has another version than the last time; remembers it."""
    version = f"{version} for {__version__}"
    file = paths.cache_folder() / "hosts.json"
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        known = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    if known.get(name) == version:
        return False
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(known | {name: version}))
    return True
