"""The notebook: what this session found and was answered, searched, annotated, exported, opened again as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from investigator.errors import InvestigatorError
from investigator.text import one_line
from screens import keys, saved_text
from screens.base import BaseScreen
from screens.notebook_actions import NotebookActions
from screens.notebook_rows import COLUMNS, Entry, View, all_tags, parse, read
from screens.widgets.keys_line import KeysLine
from screens.widgets.row_table import RowTable
from screens.workers import start
from sessions import SavedAnswer

PAUSE = 0.1
"""Seconds after a typed letter or a saved answer before the store is searched."""


class NotebookScreen(BaseScreen[None]):
    """A list beside the stored answer under its cursor; `NotebookActions` does what changes something."""

    ROOM = "notebook"
    CSS_PATH = "notebook.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("notebook")

    def __init__(self) -> None:
        super().__init__()
        self.view: View = "findings"
        self.entries: list[Entry] = []
        self.tag = ""
        """Only findings with this tag are listed; empty: all."""
        self.saved: SavedAnswer | None = None
        """The stored answer under the cursor, once it was read."""
        self.trouble = ""
        self.actions = NotebookActions(self)

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the search above the list and the preview."""
        yield Input(placeholder="/ searches words and #tags", id="notebook-search", compact=True, select_on_focus=False)
        with Container(id="notebook-body"):
            with Vertical(id="notebook-list", classes="box"):
                yield RowTable(COLUMNS, "title", pointer=self.app.marks.cursor, id="notebook-rows")
                yield Static(id="notebook-said", markup=False)
            with VerticalScroll(id="notebook-preview", classes="box", can_focus=False):
                yield Static(id="notebook-text", markup=False)

    def on_mount(self) -> None:
        """Follow the store, and list."""
        self.query_one("#notebook-preview").border_title = "as it was stored"
        self.app.store_changed.subscribe(self, lambda _: self.reload())
        self.app.answer_saved.subscribe(self, self._answer_saved)
        self.table.focus()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """List what was saved meanwhile."""
        self.reload()

    def _answer_saved(self, _: str) -> None:
        if self.is_current and self.view == "answers":
            start(self, "notebook-soon", self._reload_soon)

    @property
    def table(self) -> RowTable:
        """Return the list."""
        return self.query_one("#notebook-rows", RowTable)

    @property
    def entry(self) -> Entry | None:
        """Return the row under the cursor."""
        at = self.table.index
        return self.entries[at] if 0 <= at < len(self.entries) else None

    @property
    def typed(self) -> str:
        """Return the search as typed."""
        return self.query_one("#notebook-search", Input).value

    # Listing.

    def reload(self) -> None:
        """Read the list again."""
        if self.is_mounted:
            start(self, "notebook-list", self._reload)

    async def _reload(self) -> None:
        store, session, search, view = self.app.store, self.app.session, parse(self.typed), self.view
        self.trouble = ""
        try:
            self.entries = await asyncio.to_thread(read, store, session, view, search) if store else []
        except InvestigatorError as problem:
            self.entries, self.trouble = [], str(problem)
        if self.tag and view == "findings":
            self.entries = [entry for entry in self.entries if entry.finding and self.tag in entry.finding.tags]
        self.table.show([entry.line for entry in self.entries])
        self._say()
        self._look()

    def _say(self) -> None:
        session = one_line(self.app.session.name, 30) if self.app.session else "no session"
        tag = f" · #{one_line(self.tag, 20)}" if self.tag else ""
        pane = self.query_one("#notebook-list")
        pane.border_title = f"{self.view} {len(self.entries)}{tag} · {session}".replace("[", r"\[")
        other = "answers" if self.view == "findings" else "findings"
        pane.border_subtitle = f"tab: {other}"
        said = self.query_one("#notebook-said", Static)
        said.display = not self.entries
        said.update(Content(self._nothing()))

    def _nothing(self) -> str:
        if self.trouble or self.app.store is None:
            return self.trouble or self.app.store_trouble or "No session is open yet."
        if self.typed.strip() or self.tag:
            return f"Nothing here fits {one_line(self.typed or '#' + self.tag, 40)!r}. esc clears the search."
        if self.view == "findings":
            return "Nothing kept yet. s on a row of the bench keeps it; tab lists every answer."
        return "No answers yet: go to the bench (B) and open a prompt."

    # Looking.

    def _look(self) -> None:
        start(self, "notebook-look", self._read_saved, self.entry)

    async def _read_saved(self, entry: Entry | None) -> None:
        self.saved = None
        problem = ""
        if entry is not None and self.app.store is not None:
            try:
                self.saved = entry.saved or await asyncio.to_thread(self.app.store.answer, entry.answer_id)
            except InvestigatorError as error:
                problem = str(error)
        self._show_saved(entry, problem)

    def _show_saved(self, entry: Entry | None, problem: str = "") -> None:
        width = self.query_one("#notebook-preview").scrollable_content_region.width or 60
        finding = entry.finding if entry else None
        text = saved_text.full(self.saved, finding, width) if self.saved else problem
        self.query_one("#notebook-text", Static).update(Content(text))

    def on_resize(self) -> None:
        """Wrap the preview to its width."""
        self.call_after_refresh(lambda: self._show_saved(self.entry))

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.query_one("#notebook-preview").scroll_home(animate=False)
        self._look()

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.actions.open()

    # Searching.

    @on(Input.Changed, "#notebook-search")
    def _typed(self) -> None:
        start(self, "notebook-soon", self._reload_soon)

    async def _reload_soon(self) -> None:
        await asyncio.sleep(PAUSE)
        self.reload()

    @on(Input.Submitted, "#notebook-search")
    def _entered(self) -> None:
        self.table.focus()
        self.reload()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say in the line of keys who has them."""
        typing = isinstance(event.widget, Input)
        self.query_one(KeysLine).say("typing · enter goes to the list · esc leaves" if typing else "")

    def action_search(self) -> None:
        """Enter the search."""
        self.query_one("#notebook-search", Input).focus()

    def action_leave(self) -> None:
        """Leave the search; from the list, clear search and tag."""
        field = self.query_one("#notebook-search", Input)
        if self.focused is field:
            self.table.focus()
        elif field.value or self.tag:
            self.tag = ""
            field.value = ""
            self.reload()

    def action_row(self, by: int) -> None:
        """Select another row."""
        self.table.move(by)

    def action_page(self, by: int) -> None:
        """Select a row a page away."""
        self.table.page(by)

    def action_view(self) -> None:
        """Change between findings and answers."""
        self.view = "answers" if self.view == "findings" else "findings"
        self.table.focus()
        self.reload()

    async def action_tags(self) -> None:
        """List the next tag's findings; after the last tag, all."""
        before, self.view, self.tag = self.tag, "findings", ""
        await self._reload()
        tags = all_tags(self.entries)
        if not tags:
            self.app.tell("No finding here has a tag; n writes tags.")
            return
        at = tags.index(before) + 1 if before in tags else 0
        self.tag = tags[at] if at < len(tags) else ""
        await self._reload()

    # What `NotebookActions` does.

    def action_open_row(self) -> None:
        """Show the stored answer as it was."""
        self.actions.open()

    def action_read(self) -> None:
        """Read everything that was stored."""
        self.actions.read()

    def action_note(self) -> None:
        """Edit note and tags."""
        self.actions.note()

    def action_keep(self) -> None:
        """Keep the answer as a finding."""
        self.actions.keep()

    def action_copy(self) -> None:
        """Copy the row as text."""
        self.actions.copy()

    def action_drop(self) -> None:
        """Take the finding out of the list."""
        self.actions.drop()

    def action_replay(self) -> None:
        """Ask the same again and show what differs."""
        self.actions.replay()

    def action_session(self) -> None:
        """Open or start another session."""
        self.actions.session()
