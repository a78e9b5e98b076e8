"""The chooser of sessions: pick one, or type a name that does not exist to start it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from investigator.text import one_line
from screens.modals.base import Sheet


class SessionChooser(Sheet[str]):
    """Dismisses with a session's name; whoever asked opens or creates it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "walk(1)", "Next", show=False, id="session.next", tooltip="The next session"),
        Binding("up", "walk(-1)", "Previous", show=False, id="session.previous", tooltip="The session before"),
    ]

    def __init__(self, sessions: Sequence[tuple[str, str]], current: str = "") -> None:
        """Take (name, a few words about it) for each session, the most recent first."""
        super().__init__("session", "type to search or name a new one · ↑↓ · enter open · esc leave")
        self.sessions, self.current = list(sessions), current

    def compose(self) -> ComposeResult:
        """Lay out the line to type in above the sessions."""
        yield self.box(
            Input(placeholder="search, or a new session's name", id="session-name"),
            OptionList(id="session-list", markup=False, compact=True),
            id="session",
        )

    def on_mount(self) -> None:
        """List them all."""
        self._list("")
        self.query_one(Input).focus()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        """List those that hold the typed words."""
        self._list(event.value)

    @on(Input.Submitted)
    def open(self) -> None:
        """Open the one under the cursor, or create the typed name."""
        listed, typed = self.query_one(OptionList), self.query_one(Input).value.strip()
        if listed.highlighted is not None:
            self.dismiss(listed.get_option_at_index(listed.highlighted).id)
        elif typed:
            self.dismiss(typed)

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """Open the one that was clicked."""
        self.dismiss(event.option_id)

    def action_walk(self, by: int) -> None:
        """Move the cursor while typing."""
        listed = self.query_one(OptionList)
        (listed.action_cursor_down if by > 0 else listed.action_cursor_up)()

    def _list(self, typed: str) -> None:
        listed = self.query_one(OptionList)
        listed.clear_options()
        found = [(name, words) for name, words in self.sessions if typed.strip().lower() in name.lower()]
        listed.add_options(Option(self._line(name, words), id=name) for name, words in found)
        names = [name for name, _ in found]
        # A typed name that is not a session's whole name starts with no row chosen, so that enter creates it.
        if names and (not typed.strip() or typed.strip() in names or len(typed.strip()) < 3):
            listed.highlighted = names.index(typed.strip()) if typed.strip() in names else 0
        self.query_one("#session").border_subtitle = (
            "enter opens" if listed.highlighted is not None else "enter creates this session · ↓ picks one"
        )

    def _line(self, name: str, words: str) -> Content:
        here = "● " if name == self.current else "  "
        return Content(f"{here}{one_line(name, 28):<28}  {one_line(words, 50)}")
