"""The help page of a screen: its words from `help/ROOM.md`, its keys from the registry as they are bound now."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Markdown

from screens import keys
from screens.modals.base import Sheet

TITLES = {"app": "Everywhere", "bench": "The bench", "feature": "The feature page", "notebook": "The notebook"}
"""Rooms that have a page."""


def words(room: str) -> str:
    """Return a room's prose in markdown; that of the whole app where the room has none."""
    name = room if room in TITLES else "app"
    return (resources.files("screens") / "help" / f"{name}.md").read_text(encoding="utf-8")


def key_table(room: str, keymap: Mapping[str, str]) -> str:
    """Return a room's keys as a markdown table: keys in force, what they do, and the id that the keymap file names."""
    lines = ["| keys | what they do | id |", "|---|---|---|"]
    for action in keys.of(room):
        shown = "  ".join(f"`{keys.symbol(key)}`" for key in keys.keys_of(action, keymap))
        lines.append(f"| {shown} | {action.tooltip} | {action.id} |")
    return "\n".join(lines)


def page(room: str, keymap: Mapping[str, str]) -> str:
    """Return the whole page of a room in markdown, the keys that work everywhere last."""
    parts = [words(room), "## Keys here", key_table(room, keymap)] if keys.of(room) and room != "app" else []
    parts += ["## Keys in the plot", key_table("plot", keymap)] if room == "bench" else []
    return "\n\n".join([*parts, "## Keys everywhere", key_table("app", keymap), words("app")])


class HelpScreen(Sheet[None]):
    """The page as a sheet over the screen that asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1,q", "close", "Close", id="help.close", show=False, tooltip="Close the help"),
    ]

    def __init__(self, room: str = "app") -> None:
        super().__init__(f"help · {TITLES.get(room, TITLES['app'])}", "↑↓ scroll · esc close")
        self.room = room

    def compose(self) -> ComposeResult:
        """Lay out the scrolling page."""
        moved: dict[str, str] = getattr(self.app, "moved_keys", {})
        yield self.box(VerticalScroll(Markdown(page(self.room, moved), open_links=False)), id="help")

    def on_mount(self) -> None:
        """Let the arrows scroll at once."""
        self.query_one(VerticalScroll).focus()
