"""A pane of the bench: a table of one verb's rows, the place they belong to, and its state in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from investigator.events import Answer
from investigator.records import Row
from investigator.wire import Verb
from screens.app import InvestigatorApp
from screens.bench_place import Place
from screens.widgets.inert_input import InertInput
from screens.widgets.pane_state import Facts, PaneState, state_of
from screens.widgets.row_table import Column, Line, RowTable
from screens.work import Work

GRACE = 0.12
"""Seconds before rows of another place are dimmed: a fast answer then replaces them without a flicker."""
COLOURS = ("running", "error", "done", "stale")
FIRST = 10
"""Rows whose texts are compared between panes."""


class Pane(Vertical):
    """One pane; subclasses say which verb fills it and how a row reads."""

    SLOT: ClassVar[str] = ""
    NUMBER: ClassVar[int] = 0
    TITLE: ClassVar[str] = ""
    TEXT_TITLE: ClassVar[str] = "label"
    COLUMNS: ClassVar[Sequence[Column]] = ()
    ORDERS: ClassVar[tuple[str, ...]] = ()
    ORDER_WORDS: ClassVar[Mapping[str, str]] = {}
    """Orders whose name in a verb is not what a person reads."""

    app = getters.app(InvestigatorApp)

    class Filtered(Message):
        """The filter changed, or its input was left."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self) -> None:
        super().__init__(id=self.SLOT, classes="pane -running")
        self.work: Work | None = None
        """The question about the cursor's place."""
        self.answer: Answer | None = None
        """Whose rows are shown."""
        self.answer_place: Place | None = None
        self.place: Place | None = None
        """The cursor's place."""
        self.held: Place | None = None
        """A place whose reopened answer is shown as it was saved, and not asked again."""
        self.order = self.ORDERS[0] if self.ORDERS else ""
        self.filter = ""
        self.same: frozenset[str] = frozenset()
        """Texts that other panes show as well."""
        self.agreeing: frozenset[str] = frozenset()
        """Texts that other panes say in other words."""
        self.partner: Callable[[tuple[str, ...]], str] = lambda _: ""
        """From a row's texts to what another pane calls it, in a line."""
        self.state = PaneState("empty", "empty")
        self.tabs = ""
        """Names of all panes, where they take turns: stands in place of the title."""
        self._stale = False
        self._beside = self._shown_title = self._words = ""
        self._said: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the table, what is said, and the state."""
        yield RowTable(self.COLUMNS, self.TEXT_TITLE, pointer=self.app.marks.cursor, id=f"{self.SLOT}-rows")
        yield Static(classes="said", markup=False)
        yield Static(classes="state", markup=False)

    def on_mount(self) -> None:
        """Say how it stands."""
        self.redraw()

    @property
    def table(self) -> RowTable:
        """Return the table."""
        return self.query_one(RowTable)

    # What subclasses say.

    def verb(self, place: Place) -> Verb | None:
        """Return the question about a place; None where there is none to ask, and `hint` says why."""
        raise NotImplementedError

    def rows(self, answer: Answer) -> list[Row]:
        """Return an answer's rows in the pane's order."""
        raise NotImplementedError

    def line(self, row: Row) -> Line:
        """Return a row as it is drawn."""
        raise NotImplementedError

    def summary(self, answer: Answer) -> str:
        """Return what a finished answer says of itself."""
        raise NotImplementedError

    def hint(self) -> str:
        """Return what to press while the pane is empty."""
        return ""

    def texts_of(self, row: Row) -> tuple[str, ...]:
        """Return the texts by which a row is found again in other panes."""
        return (getattr(row, "text", ""),)

    # What the bench does with it.

    def go(self, place: Place) -> None:
        """Take note of the cursor's place; rows of another one turn stale unless an answer comes soon."""
        self.place = place
        if not place.same_as(self.answer_place):
            self.work = None
            self.set_timer(GRACE, self._grow_stale)
        elif self._stale:
            self._stale = False
            self.redraw()

    def take(self, work: Work, place: Place | None = None) -> None:
        """Show how a question goes; its rows replace the old ones as soon as there are any."""
        self.work = work
        if work.answer.result is not None or work.answer.rows:
            self.answer, self.answer_place = work.answer, place or self.place
            self._stale = False
        self.redraw()

    def forget(self) -> None:
        """Show nothing: another prompt was opened."""
        self.work = self.answer = self.answer_place = self.held = None
        self.table.selected = None
        self.redraw()

    def redraw(self) -> None:
        """Bring the table, the title and the words up to date."""
        if not self.is_mounted:
            return
        self.state = self._state()
        shown = self.shown_rows()
        self.table.show([self.line(row) for row in shown], dimmed=self._stale and self.foreign)
        self._say(self.state)
        self._title(_plain(self.title_words()))

    def shown_rows(self) -> list[Row]:
        """Return the rows on screen, of whatever place."""
        return self.rows(self.answer) if self.answer is not None else []

    def current_row(self) -> Row | None:
        """Return the selected row."""
        line = self.table.current
        return next((row for row in self.shown_rows() if line and row.key == line.key), None)

    def first_texts(self) -> frozenset[str]:
        """Return the texts of the first ten rows, where they are of the cursor's place."""
        if self.foreign:
            return frozenset()
        return frozenset(text for row in self.shown_rows()[:FIRST] for text in self.texts_of(row) if text)

    def all_texts(self) -> frozenset[str]:
        """Return the texts of all rows, where they are of the cursor's place."""
        if self.foreign:
            return frozenset()
        return frozenset(text for row in self.shown_rows() for text in self.texts_of(row) if text)

    def texts(self, most: int) -> tuple[str, ...]:
        """Return the first texts in the pane's order, where they are of the cursor's place."""
        if self.foreign:
            return ()
        every = (text for row in self.shown_rows() for text in self.texts_of(row) if text.strip())
        return tuple(dict.fromkeys(every))[:most]

    def mark_same(self, same: frozenset[str], beside: str) -> None:
        """Mark rows whose text stands in another pane, and say the overlap on the lower border."""
        if beside != self._beside:
            self._beside, self.border_subtitle = beside, _plain(beside)
        if same != self.same:
            self.same = same
            self.redraw()

    def mark_agreeing(self, agreeing: frozenset[str]) -> None:
        """Mark rows whose text another pane says in other words."""
        if agreeing != self.agreeing:
            self.agreeing = agreeing
            self.redraw()

    def mark_of(self, row: Row) -> str:
        """Return a row's mark: the same text in another pane, else the same meaning there, else none."""
        texts = self.texts_of(row)
        if self.same.intersection(texts):
            return self.app.marks.same_mark
        return self.app.marks.agrees if self.agreeing.intersection(texts) else ""

    def next_order(self) -> str:
        """Go to the next order and return it."""
        at = self.ORDERS.index(self.order) if self.order in self.ORDERS else -1
        self.order = self.ORDERS[(at + 1) % len(self.ORDERS)]
        return self.order

    @property
    def foreign(self) -> bool:
        """Whether the rows belong to another place than the cursor's."""
        return self.answer_place is not None and self.place is not None and not self.place.same_as(self.answer_place)

    def title_words(self) -> str:
        """Return the title: number, name, the place that the rows belong to, order."""
        dot = f" {self.app.marks.dot} "
        where = self.answer_place or self.place
        if self.tabs:
            return self.tabs
        parts = [f"{self.NUMBER} {self.TITLE}", *([where.words] if where else [])]
        parts += [f"by {self.ORDER_WORDS.get(self.order, self.order)}"] if self.order else []
        return dot.join(parts)

    # The filter.

    async def edit_filter(self) -> None:
        """Open the filter's input, made the first time it is wanted."""
        if not self.query(InertInput):
            box = InertInput(placeholder="filter", classes="filter", id=f"{self.SLOT}-filter", compact=True)
            box.cursor_blink = False
            box.after_enter = lambda: self.screen.set_focus(self.table)
            await self.mount(box, before=".state")
        self.add_class("-filtering")
        self.screen.set_focus(self.query_one(InertInput))

    def clear_filter(self) -> bool:
        """Drop the filter; return whether there was one."""
        had, self.filter = bool(self.filter), ""
        for box in self.query(InertInput):
            box.value = ""
        self.remove_class("-filtering")
        return had

    @on(Input.Submitted)
    def _filter_typed(self, event: Input.Submitted) -> None:
        event.stop()
        self.filter = event.value.strip()
        self.set_class(bool(self.filter), "-filtering")
        self.post_message(self.Filtered(self))

    @on(RowTable.Moved)
    def _row_moved(self) -> None:
        self._say(self.state)

    def on_resize(self) -> None:
        """Say in full what no longer fits."""
        if self.is_mounted:
            self.call_after_refresh(lambda: self._say(self.state))

    def _grow_stale(self) -> None:
        if self.foreign or self.answer is None:
            self._stale = True
            self.redraw()

    def _state(self) -> PaneState:
        foreign = self.foreign and self.answer_place is not None
        words = self.answer_place.words if foreign and self.answer_place else ""
        summary = self.summary(self.answer) if self.answer is not None and self.answer.result is not None else ""
        rows = bool(self.shown_rows())
        return state_of(Facts(self.work, rows, words, summary, self.hint(), self.app.link.status, self.app.marks))

    def _say(self, state: PaneState) -> None:
        # Every update of a Static asks for a new layout, so only what differs is updated.
        said = "\n".join(part for part in (state.said or self.table.cut_text, self._partner()) if part)
        if said != self._said:
            self._said = said
            line = self.query_one(".said", Static)
            line.update(said)
            line.display = bool(said)
        if state.words != self._words:
            self._words = state.words
            self.query_one(".state", Static).update(f" {state.words}", layout=False)
        colour = _colour(state.name)
        self.update_classes({f"-{name}": colour == name for name in COLOURS}, animate=False)

    def _partner(self) -> str:
        row = self.current_row() if self.agreeing else None
        return self.partner(self.texts_of(row)) if row is not None else ""

    def _title(self, title: str) -> None:
        if title != self._shown_title:
            self._shown_title = self.border_title = title


def _colour(name: str) -> str:
    if name in {"queued", "running", "estimate", "loading"}:
        return "running"
    return {"error": "error", "disconnected": "error", "stale": "stale", "stopped": "stale"}.get(name, "done")


def _plain(text: str) -> str:
    """Return text for a border, whose brackets would otherwise be read as markup."""
    return text.replace("[", r"\[")
