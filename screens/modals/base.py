"""What every sheet shares: a bordered box with a title and a last line of keys, closed by esc."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget

from investigator.text import one_line

T = TypeVar("T")


class Sheet(ModalScreen[T | None], Generic[T]):
    """A modal box; dismisses with None on esc."""

    # Absolute, because a relative path would be looked for beside each subclass.
    CSS_PATH = Path(__file__).with_name("modals.tcss")
    # Over a sheet no screen's key may act, and tab must stay inside it.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="sheet.close", tooltip="Close this sheet and change nothing"),
    ]

    def __init__(self, title: str, keys: str) -> None:
        super().__init__()
        self._title, self._keys = title, keys

    def box(self, *children: Widget, id: str) -> Vertical:
        """Return the box with its title above and its keys below, both inert."""
        box = Vertical(*children, id=id, classes="sheet")
        # Border titles are parsed as markup: brackets of a label in a title would vanish.
        box.border_title = one_line(self._title, 100).replace("[", r"\[")
        box.border_subtitle = self._keys.replace("[", r"\[")
        return box

    def action_close(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)
