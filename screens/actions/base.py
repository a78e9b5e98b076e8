"""An action as data."""

from __future__ import annotations

import msgspec


class Action(msgspec.Struct, frozen=True):
    """One thing a person can do, with the keys that do it."""

    id: str
    """`screen.name`: what the keymap file names."""
    keys: tuple[str, ...]
    """Textual key names; any of them works; none: only in the palette."""
    call: str
    """Textual action, such as `token(1)`."""
    title: str
    """A few words, for the palette and the help page."""
    tooltip: str
    """One sentence."""
    footer: str = ""
    """Word in the line of keys; actions with the same word share one entry; empty: not shown."""
    priority: bool = False
    """Whether it works while an input has the focus."""
    palette: bool = True

    @property
    def screen(self) -> str:
        """Return the room it belongs to: app, bench, plot, hypotheses, corpus, crossmodel, intervene, ..."""
        return self.id.split(".", 1)[0]
