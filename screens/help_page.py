"""The help page of a screen: its words from `help/ROOM.md`, its keys from the registry as they are bound now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Markdown

from screens import keys
from screens.modals.base import Sheet

TITLES = {
    "app": "Everywhere",
    "bench": "The bench",
    "hypotheses": "The hypotheses",
    "corpus": "The corpus",
    "crossmodel": "Two models",
    "intervene": "Interventions",
    "sweep": "The sweep",
    "feature": "The feature page",
    "notebook": "The notebook",
}
"""Rooms that have a page."""


def words(room: str) -> str:
    """Return a room's prose in markdown; that of the whole app where the room has none."""
    name = room if room in TITLES else "app"
    return (resources.files("screens") / "help" / f"{name}.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class KeyLine:
    """One action of a help page."""

    keys: str
    """The keys in force, as a person reads them."""
    does: str
    id: str
    """What the keymap file names."""


def key_lines(room: str, keymap: Mapping[str, str]) -> list[KeyLine]:
    """Return a room's actions with the keys in force."""
    return [
        KeyLine(" ".join(map(keys.symbol, keys.keys_of(action, keymap))), action.tooltip, action.id)
        for action in keys.of(room)
    ]


def key_table(room: str, keymap: Mapping[str, str]) -> str:
    """Return a room's keys as a markdown table, which the documentation repeats."""
    lines = ["| keys | what they do | id |", "|---|---|---|"]
    for action in keys.of(room):
        shown = "  ".join(f"`{keys.symbol(key)}`" for key in keys.keys_of(action, keymap))
        lines.append(f"| {shown} | {action.tooltip} | {action.id} |")
    return "\n".join(lines)


def page(room: str, keymap: Mapping[str, str]) -> list[str | list[KeyLine]]:
    """Return a room's page: its keys, its words, then those of the whole app; words are markdown."""
    here = room if room in TITLES and room != "app" else ""
    parts: list[str | list[KeyLine]] = [key_lines(here, keymap), words(here)] if here else []
    parts += ["## In the plot", key_lines("plot", keymap)] if here == "bench" else []
    return [*parts, "## Keys everywhere", key_lines("app", keymap), words("app")]


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
        yield self.box(VerticalScroll(*map(self._part, page(self.room, moved))), id="help")

    def _part(self, part: str | list[KeyLine]) -> Widget:
        return Markdown(part, open_links=False) if isinstance(part, str) else KeyTable(part)

    def on_mount(self) -> None:
        """Let the arrows scroll at once."""
        self.query_one(VerticalScroll).focus()


class KeyTable(Widget):
    """Keys, what they do and their ids, one action a line where the width allows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keytable--key", "keytable--id"}
    DEFAULT_CSS = """
    KeyTable {
        height: auto;
        & > .keytable--key { color: $accent; text-style: bold; }
        & > .keytable--id { color: $text-muted; }
    }
    """

    def __init__(self, lines: list[KeyLine]) -> None:
        super().__init__()
        self.key_lines = lines

    def render(self) -> Table:
        """Return the table; its cells are `Text`, because a key such as [ would be read as markup."""
        table = Table.grid(padding=(0, 2), expand=True)
        key, id = (self.get_component_rich_style(f"keytable--{name}") for name in ("key", "id"))
        table.add_column(no_wrap=True, min_width=9)
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, justify="right")
        for line in self.key_lines:
            table.add_row(Text(line.keys, key), Text(line.does), Text(line.id, id))
        return table
