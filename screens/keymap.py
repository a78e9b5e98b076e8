"""The keymap file: `keymap.toml` in the configuration folder moves actions to other keys, by the action's id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from investigator import paths
from investigator.text import inert
from screens import keys

LASTING = frozenset({"app"})
"""Rooms whose keys work on every screen."""


class Keymap(msgspec.Struct, frozen=True):
    """What the file moves, and what in it could not be used."""

    moved: dict[str, str]
    """Action id to Textual keys, joined by commas: what `App.set_keymap` takes."""
    troubles: tuple[str, ...] = ()
    """One sentence each; shown once, when the app starts."""


def keymap_file() -> Path:
    """Return where the keymap is looked for."""
    return paths.config_folder() / "keymap.toml"


def load(file: Path | None = None) -> Keymap:
    """Read the file; what cannot be used becomes a sentence and leaves the default key as it was."""
    where = file or keymap_file()
    try:
        if not where.is_file():
            return Keymap({})
        import tomllib  # a few milliseconds of the first frame, and most have no such file

        table = tomllib.loads(where.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # what is no text and what is no TOML are both a ValueError
        return Keymap({}, (f"The keymap {where} cannot be read: {inert(str(error))}. All keys are the usual ones.",))
    return check(table)


def check(table: Mapping[str, Any]) -> Keymap:
    """Return the part of a keymap table that can be used, and sentences about the rest.

    Tables nest as ids do: `[bench] keep = "k"` and `"bench.keep" = "k"` are the same.
    """
    known = {action.id: action for action in keys.ACTIONS}
    moved: dict[str, str] = {}
    troubles: list[str] = []
    for id, wanted in _flat(table):
        if id not in known:
            troubles.append(f"The keymap names {inert(id)!r}, which is no action. {_nearest(id, list(known))}")
        elif not (typed := _keys(wanted)):
            troubles.append(f"The keymap gives {id} no key: write a key name or a list of them.")
        else:
            moved[id] = ",".join(typed)
    # All moves at once, so that two actions can swap their keys; then those that still meet go back, one by one.
    while clash := next((found for id in moved if (found := _clash(known[id], moved))), None):
        id, key, other = clash
        del moved[id]
        troubles.append(f"The keymap gives {id} the key {key!r}, which {other} has. {id} keeps its own.")
    return Keymap(moved, tuple(troubles))


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs


def _keys(wanted: Any) -> list[str]:
    parts = wanted.split(",") if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    return [part.strip() for part in parts if isinstance(part, str) and part.strip()]


def _clash(action: keys.Action, moved: Mapping[str, str]) -> tuple[str, str, str] | None:
    mine = keys.keys_of(action, moved)
    for other in keys.ACTIONS:
        if other.id != action.id and _meet(action, other):
            shared = next((key for key in keys.keys_of(other, moved) if key in mine), None)
            if shared is not None:
                return action.id, shared, other.id
    return None


def _meet(one: keys.Action, other: keys.Action) -> bool:
    return one.screen == other.screen or one.screen in LASTING or other.screen in LASTING


def _nearest(id: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(id, known, n=1)
    return f"Did you mean {near[0]}?" if near else "`?` lists the actions of a screen with their ids."
