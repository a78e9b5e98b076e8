"""What the notebook does with the row under its cursor, and with sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from investigator.errors import InvestigatorError
from investigator.records import Feature
from investigator.sources import Residual
from investigator.text import one_line
from investigator.wire import Compare, Contrast, Find, Intervene, Open, Sweep
from screens import keeping, saved_text
from screens.messages import FindText, InterveneHere, OpenAnswer, OpenPrompt, ShowComparison, ShowSweep
from screens.modals import Confirm, Note, NoteEditor, ReplaySheet, SessionChooser, TextViewer
from screens.workers import start

if TYPE_CHECKING:
    from screens.app import InvestigatorApp
    from screens.notebook import NotebookScreen
    from screens.notebook_rows import Entry
    from sessions import SavedAnswer


class NotebookActions:
    """Acts on the notebook's rows; every failure is a sentence."""

    def __init__(self, notebook: NotebookScreen) -> None:
        self.notebook = notebook

    @property
    def app(self) -> InvestigatorApp:
        """Return the app."""
        return self.notebook.app

    def _entry(self) -> Entry | None:
        entry = self.notebook.entry
        if entry is None:
            self.app.tell("There is no row here.")
        return entry

    def _run(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        start(self.notebook, "notebook-act", work, *arguments, exclusive=False)

    def open(self) -> None:
        """Show the stored answer where it was shown: on the bench, on a feature page, or as text; nothing is asked."""
        if (entry := self._entry()) is not None:
            self._run(self._open, entry)

    async def _open(self, entry: Entry) -> None:
        saved = await self._saved(entry)
        if saved is None:
            return
        if isinstance(saved.result, Feature):
            from screens.feature import FeatureScreen

            self.app.push_screen(FeatureScreen(saved.result.latent, saved.result.sae, saved.answer()))
        elif isinstance(saved.question, Find) and saved.result is not None:
            self.app.post_message(FindText(saved.question.text, saved))
        elif isinstance(saved.question, Intervene) and saved.result is not None:
            self.app.post_message(InterveneHere(saved=saved))
        elif isinstance(saved.question, Sweep) and saved.result is not None:
            self.app.post_message(ShowSweep(saved, entry.finding.row_key if entry.finding else ""))
        elif isinstance(saved.question, Compare) and saved.result is not None:
            self.app.post_message(ShowComparison(saved))
        elif isinstance(saved.question, Contrast):
            self._show(entry, saved)
        elif isinstance(saved.source, Residual) and saved.tokens:
            self.app.post_message(OpenAnswer(saved.id, entry.finding.row_key if entry.finding else ""))
        elif isinstance(saved.question, Open) and saved.prompt:
            self.app.post_message(OpenPrompt(saved.prompt))
        else:
            self._show(entry, saved)

    async def _saved(self, entry: Entry) -> SavedAnswer | None:
        try:
            assert self.app.store is not None
            return entry.saved or await asyncio.to_thread(self.app.store.answer, entry.answer_id)
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
            return None

    def read(self) -> None:
        """Show everything that was stored."""
        if (entry := self._entry()) is not None:
            self._run(self._read, entry)

    async def _read(self, entry: Entry) -> None:
        saved = await self._saved(entry)
        if saved is not None:
            self._show(entry, saved)

    def _show(self, entry: Entry, saved: SavedAnswer) -> None:
        width = min(104, max(40, self.app.size.width - 10))
        self.app.push_screen(TextViewer(one_line(entry.title, 60), saved_text.full(saved, entry.finding, width)))

    def replay(self) -> None:
        """Ask the row's question again and show what differs from what was stored."""
        if (entry := self._entry()) is not None:
            self._run(self._replay, entry)

    async def _replay(self, entry: Entry) -> None:
        from sessions.replay import why_not

        saved = await self._saved(entry)
        if saved is None:
            return
        if refusal := why_not(saved):
            self.app.tell(refusal, problem=True)
            return
        self.app.push_screen(ReplaySheet(saved, entry.finding.row_key if entry.finding else ""))

    def copy(self) -> None:
        """Copy the row with what was stored."""
        if (entry := self._entry()) is not None:
            self._run(self._copy, entry)

    async def _copy(self, entry: Entry) -> None:
        saved = await self._saved(entry)
        if saved is not None:
            self.app.copy_to_clipboard(saved_text.full(saved, entry.finding))
            self.app.tell("Copied as text.")

    def note(self) -> None:
        """Edit a finding's note and tags; an answer is kept with them."""
        if (entry := self._entry()) is None:
            return
        finding = entry.finding
        sheet = NoteEditor(one_line(entry.title, 60), finding.note if finding else "", finding.tags if finding else ())
        self.app.push_screen(sheet, lambda note: self._run(self._noted, entry, note) if note else None)

    async def _noted(self, entry: Entry, note: Note) -> None:
        if entry.finding is None:
            await keeping.keep(self.app, entry.answer_id, title=self._title(entry), note=note.text, tags=note.tags)
        else:
            await keeping.edit(self.app, entry.finding.id, note.text, note.tags)
        self.notebook.reload()

    def keep(self) -> None:
        """Keep an answer as a finding."""
        if (entry := self._entry()) is None:
            return
        if entry.finding is not None:
            self.app.tell("It is kept already; n edits its note and tags.")
        else:
            self._run(self._keep, entry)

    async def _keep(self, entry: Entry) -> None:
        await keeping.keep(self.app, entry.answer_id, title=self._title(entry))

    def _title(self, entry: Entry) -> str:
        return one_line(f"{entry.kind} {entry.title}", 120)

    def drop(self) -> None:
        """Take a finding out of the list, after a question."""
        entry = self._entry()
        if entry is None or entry.finding is None:
            self.app.tell("Only a finding can be taken out; answers always stay.")
            return
        asked = f"Take “{one_line(entry.title, 60)}” out of the findings? Its answer stays stored."
        finding = entry.finding
        self.app.push_screen(Confirm(asked), lambda yes: self._run(self._drop, finding.id) if yes else None)

    async def _drop(self, finding_id: str) -> None:
        try:
            assert self.app.store is not None
            await asyncio.to_thread(self.app.store.drop_finding, finding_id)
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
        self.app.store_changed.publish(self.app.store_trouble)

    def session(self) -> None:
        """Choose or start a session."""
        if self.app.store is None:
            self.app.tell(self.app.store_trouble or keeping.NO_STORE, problem=True)
        else:
            self._run(self._session)

    async def _session(self) -> None:
        assert self.app.store is not None
        try:
            found = await asyncio.to_thread(self.app.store.sessions)
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
            return
        rows = [
            (one.name, f"{one.findings} kept · {one.answers} answers · {(one.last_at or one.made_at)[:10]}")
            for one in found
        ]
        current = self.app.session.name if self.app.session else ""
        self.app.push_screen(SessionChooser(rows, current), self._switch)

    def _switch(self, name: str | None) -> None:
        if name:
            self._run(keeping.switch_session, self.app, name)
