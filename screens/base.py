"""What every screen has: the status line above, the line of keys below, and a sentence where there is no room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, TypeVar

from textual import events, getters
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from screens import keys
from screens.app import InvestigatorApp
from screens.widgets.keys_line import KeysLine
from screens.widgets.status_line import StatusLine

T = TypeVar("T")

LEAST = (40, 10)
"""Columns and rows below which a sentence is shown in place of the layout."""
WIDE = 110
"""Columns from which panes stand side by side."""


class TooSmall(Static):
    """The sentence shown below 40x10."""

    def __init__(self) -> None:
        super().__init__("Too small: make the window at least 40x10. ctrl+q quits.", markup=False)


class BaseScreen(Screen[T]):
    """A screen of the app. Subclasses set ROOM and BINDINGS = keys.bindings(ROOM), and compose their body."""

    ROOM: ClassVar[str] = "app"
    """Its name in the registry of actions: palette, help page and line of keys follow it."""
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny-width"), (LEAST[0], "-narrow"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny-height"), (LEAST[1], "-short"), (34, "-tall")]
    AUTO_FOCUS = None

    app = getters.app(InvestigatorApp)

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        # Textual's mark of a screen that has seen the present theme. A screen that has not makes it parse all rules
        # and style all widgets once more, which a screen made just now does not need: a sixth of the first frame.
        self._css_update_count = self.app._css_update_count
        self._styled_before = False

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Leave the styles alone the first time: mounting has just applied them to every widget."""
        event.refresh_styles = event.refresh_styles and self._styled_before
        self.call_after_refresh(self._note_styled)

    def _note_styled(self) -> None:
        self._styled_before = True

    def compose(self) -> ComposeResult:
        """Put the body between the status line and the line of keys."""
        self._take_breakpoints()
        yield StatusLine()
        yield from self.compose_body()
        yield KeysLine(keys.of(self.ROOM, "app"))
        yield TooSmall()

    def _take_breakpoints(self) -> None:
        # The first resize would set these classes and style every widget a second time.
        size = self.app.size
        for at, points in ((size.width, self.HORIZONTAL_BREAKPOINTS), (size.height, self.VERTICAL_BREAKPOINTS)):
            self.add_class([name for least, name in points if at >= least][-1], update=False)

    def compose_body(self) -> Iterable[Widget]:
        """Return what stands between the two lines."""
        return ()

    @property
    def work_slot(self) -> str:
        """Return the slot whose work ctrl+g stops; empty: whatever runs."""
        return ""

    @property
    def place_words(self) -> str:
        """Return where the screen is, for the status line: `L3`."""
        return ""

    def stop_work(self) -> None:
        """Stop the focused pane's work, else whatever runs on the model."""
        asker = self.app.asker
        if not (self.work_slot and asker.stop(self.work_slot)) and not any(map(asker.stop, list(asker.running))):
            self.app.tell("Nothing is running.")
