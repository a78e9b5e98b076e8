"""One reader's claim before the others: a sentence scored at one place by every reader that reads there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from investigator.text import inert, one_line
from screens import score_words
from screens.desk import row_of
from screens.messages import WorkChanged
from screens.modals.base import Sheet
from screens.sentence import Sentence
from screens.widgets.verbalizer_table import verbalizers
from screens.work import Work

if TYPE_CHECKING:
    from investigator.provenance import WorkbenchSummary
    from screens.app import InvestigatorApp
    from screens.bench_place import Place

PRIORITY = 6
"""As a test of the bench."""
NAME = 24
"""Cells of a reader's name."""


class ReadersSheet(Sheet[None]):
    """A line a reader, filled as the answers come; closing it stops what still runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="sheet.copy", tooltip="Copy the whole text"),
        Binding("r,q", "close", "Close", id="sheet.quit", show=False, tooltip="Close this sheet"),
    ]

    def __init__(self, sentence: Sentence, place: Place, author: str) -> None:
        """Score a sentence at a place; `author`: the reader that said it, empty where a person or an SAE did."""
        super().__init__("scored by every reader here", "↑↓ scroll · y copy · esc close")
        self.sentence, self.place, self.author = sentence, place, author
        self.works: dict[str, Work] = {}

    @property
    def _bench(self) -> InvestigatorApp:
        return cast("InvestigatorApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay out the scrolling lines."""
        yield self.box(VerticalScroll(Static(id="readers-lines", markup=False)), id="readers")

    def on_mount(self) -> None:
        """Ask every reader, one question each, and let the arrows scroll."""
        app, desk = self._bench, self._bench.desk
        for name in readers_at(app.book, self.place):
            verb = msgspec.structs.replace(desk.verb(self.place, self.sentence, "position"), reader=name)
            self.works[name] = app.ask(verb, slot=f"reader:{name}", listener=self, priority=PRIORITY)
        # Room for every reader's line, wrapped once, from the start: an answer moves nothing.
        self.query_one("#readers-lines").styles.height = 2 * len(self.works) + 5
        self.query_one(VerticalScroll).focus()
        self._show()

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how a reader's question goes."""
        message.stop()
        self._show()

    def on_unmount(self) -> None:
        """Stop what still runs: nobody is left to read it."""
        for work in self.works.values():
            if work.active:
                self._bench.asker.stop(work.slot)

    def text(self) -> str:
        """Return the sheet as text: the sentence, its place, and a line a reader."""
        head = [inert(self.sentence.line), self.place.words, ""]
        lines = [self._line(name, work) for name, work in self.works.items()]
        said = (
            f"said by {inert(self.author)}; a text that a reader drew here fits that reader anyway"
            if self.author
            else ""
        )
        return "\n".join([*head, *(lines or ["No reader reads this layer."]), *(["", said] if said else [])])

    def action_copy(self) -> None:
        """Copy the lines as text."""
        self.app.copy_to_clipboard(self.text())
        self._bench.tell("Copied as text.")

    def _line(self, name: str, work: Work) -> str:
        mine = " (its own)" if name == self.author else ""
        return f"{one_line(name, NAME) + mine:<{NAME + 10}} {self._said(work)}"

    def _said(self, work: Work) -> str:
        row = row_of(work, self.sentence.text)
        if work.failure is not None:
            return f"failed: {inert(work.failure.message)} {inert(work.failure.mend)}".strip()
        if row is None or not work.answer.ended:
            return f"{work.state} {work.progress}".strip()
        return score_words.brief(row.score, self._bench.marks)

    def _show(self) -> None:
        if self.is_mounted:
            self.query_one("#readers-lines", Static).update(Content(self.text()), layout=False)


def readers_at(book: WorkbenchSummary | None, place: Place) -> list[str]:
    """Return every reader that reads a place: those trained for its layer, then verbalizers."""
    there = [one.name for one in book.readers if (one.subject, one.layer) == _where(place)] if book else []
    return list(dict.fromkeys([*there, *verbalizers(book, place)]))


def _where(place: Place) -> tuple[str, int]:
    return place.opened.subject, place.layer
