"""Every action of the app as data: bindings, footer, palette, help pages and keymap file are all read from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.binding import Binding, BindingType

from screens.actions import (
    APP,
    BENCH,
    CORPUS,
    CROSSMODEL,
    FEATURE,
    HYPOTHESES,
    INTERVENE,
    NOTEBOOK,
    PLOT,
    SWEEP,
    Action,
)

__all__ = ["ACTIONS", "Action", "bindings", "footer", "keys_of", "of", "symbol"]

ACTIONS: tuple[Action, ...] = (
    *APP,
    *BENCH,
    *PLOT,
    *HYPOTHESES,
    *CORPUS,
    *CROSSMODEL,
    *INTERVENE,
    *SWEEP,
    *FEATURE,
    *NOTEBOOK,
)
"""The registry; each screen's part keeps the order of importance that the line of keys follows."""

_SYMBOLS = {
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
    "f1": "F1",
    "number_sign": "#",
}


def of(*screens: str) -> tuple[Action, ...]:
    """Return the actions of the named screens, in the registry's order."""
    return tuple(action for screen in screens for action in ACTIONS if action.screen == screen)


def bindings(screen: str) -> list[BindingType]:
    """Return a screen's actions as Textual bindings, each with its id, so that a keymap can move it."""
    return [
        Binding(
            ",".join(action.keys),
            action.call,
            action.title,
            show=bool(action.footer),
            priority=action.priority,
            tooltip=action.tooltip,
            id=action.id,
        )
        for action in of(screen)
        if action.keys
    ]


def keys_of(action: Action, keymap: Mapping[str, str] = {}) -> tuple[str, ...]:
    """Return the keys that do an action under a keymap ({id: "key,key"})."""
    moved = keymap.get(action.id)
    return tuple(key.strip() for key in moved.split(",")) if moved else action.keys


def symbol(key: str) -> str:
    """Return a key as a person reads it: `ctrl+g` as ^g, arrows as arrows."""
    *modifiers, last = key.split("+")
    shown = _SYMBOLS.get(last, last)
    return "".join({"ctrl": "^", "shift": "⇧", "alt": "⌥"}.get(part, part + "+") for part in modifiers) + shown


def footer(actions: Iterable[Action], keymap: Mapping[str, str] = {}) -> list[tuple[str, str]]:
    """Return (keys, word) for the line of keys: actions with the same word share one entry."""
    entries: dict[str, list[str]] = {}
    for action in actions:
        if action.footer:
            entries.setdefault(action.footer, []).extend(map(symbol, keys_of(action, keymap)[:1]))
    return [(_joined(shown), word) for word, shown in entries.items()]


def _joined(shown: list[str]) -> str:
    return ("" if all(len(key) == 1 and not key.isalnum() for key in shown) else " ").join(shown)
