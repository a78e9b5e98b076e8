"""The corpus: one sentence against every position of an indexed corpus, and where real hits end."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events, on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from investigator.text import one_line
from investigator.wire import Find
from screens import corpus_text, score_words
from screens.corpus_keys import CorpusKeys
from screens.messages import FindText, WorkChanged
from screens.saying import say
from screens.widgets import hit_table, strip_plot
from screens.widgets.hit_table import HitTable
from screens.widgets.inert_input import InertInput
from screens.widgets.keys_line import KeysLine
from screens.widgets.pane_state import Facts, PaneState, state_of
from screens.widgets.row_table import RowTable
from screens.work import Work, saved_work

LIMIT = 50
"""Hits asked for at first: two screens of them."""
EMPTY = (
    "Type a sentence after / and press enter: every position of the corpus is ranked by how well it fits there. "
    "`investigator index corpus FILES` makes the index; f on the bench or on a hypothesis brings its sentence here."
)


class CorpusScreen(CorpusKeys):
    """The sentence, the hits with the rule among them, and the selected hit in its words."""

    CSS_PATH = "corpus.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.work: Work | None = None
        self.all_positions = self.exact = False
        self.limit = LIMIT
        self.state = PaneState("empty", "empty")

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the sentence, the hits and the selected hit."""
        with Horizontal(id="corpus-line"):
            yield Static("find ", id="corpus-sign", markup=False)
            yield InertInput(placeholder="references to the sea", id="corpus-input", compact=True)
        with Vertical(id="corpus-list", classes="box"):
            yield HitTable(self.app.marks)
            yield Static(id="corpus-said", markup=False)
            yield Static(id="corpus-state", markup=False)
        with VerticalScroll(id="corpus-hit", classes="box", can_focus=False):
            yield Static(id="corpus-words", markup=False)

    def on_mount(self) -> None:
        """Follow the link, and give the hits the keys."""
        entry = self.query_one(InertInput)
        entry.cursor_blink = False
        entry.after_enter = lambda: self.set_focus(self.table)
        self.app.link_changed.subscribe(self, lambda _: self.redraw())
        self.query_one("#corpus-hit").border_title = "the hit in its words"
        self.set_focus(self.table)
        self.redraw()

    @property
    def table(self) -> HitTable:
        """Return the hits."""
        return self.query_one(HitTable)

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops."""
        return "find"

    # Asking.

    def on_find_text(self, message: FindText) -> None:
        """Look for a sentence that another screen names, or show what was found before."""
        message.stop()
        self.query_one(Input).value = message.text
        self.set_focus(self.table)
        if message.saved is None:
            self.text = message.text
            self.find()
            return
        self.text, self.work = message.text, saved_work(message.saved, self)
        if isinstance(message.saved.question, Find):
            asked = message.saved.question
            self.all_positions, self.exact, self.limit = asked.all_positions, asked.exact, asked.limit
        self.redraw()

    def find(self, *, fresh: bool = False) -> None:
        """Ask for the sentence; the same question's stored answer is there at once unless `fresh`."""
        if not self.text:
            self.redraw()
            return
        verb = Find(self.text, limit=self.limit, all_positions=self.all_positions, exact=self.exact)
        self.work = self.app.ask(verb, slot="find", listener=self, fresh=fresh, priority=3)
        self.redraw()

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how the search goes."""
        message.stop()
        if message.work is self.work:
            self.redraw()

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        if not self.is_mounted:
            return
        rows, result = corpus_text.hits(self.work), corpus_text.found(self.work)
        lines = [hit_table.line(row, row.rank or at, self.app.marks) for at, row in enumerate(rows, 1)]
        least = corpus_text.threshold(result.background) if result else None
        if result is not None and least is not None and rows:
            lines.insert(corpus_text.above(rows, least), hit_table.rule(corpus_text.rule_words(rows, result)))
        # Also on the border, because the row itself may lie below what the window shows.
        self.query_one("#corpus-list").border_subtitle = corpus_text.above_words(rows, result)
        self.table.show_hits(rows, lines)
        self._say_state(bool(rows))
        self._title(len(rows))
        self._look()

    def _say_state(self, rows: bool) -> None:
        summary = corpus_text.summary(self.work, self.app.marks)
        self.state = state_of(Facts(self.work, rows, "", summary, EMPTY, self.app.link.status, self.app.marks))
        self._say("#corpus-said", self.state.said, layout=True)
        self.query_one("#corpus-said").display = bool(self.state.said)
        self._say("#corpus-state", f" {self.state.words}")

    def _title(self, count: int) -> None:
        dot = f" {self.app.marks.dot} "
        how = "every position" if self.all_positions else "one a context"
        parts = [f"{count} hits", how, *(["every position scored"] if self.exact else [])]
        text = [one_line(self.text, 60)] if self.text else []
        self.query_one("#corpus-list").border_title = dot.join(["corpus", *text, *parts]).replace("[", r"\[")

    def _look(self) -> None:
        hit, width = self.table.hit, max(20, self.query_one("#corpus-hit").size.width - 6)
        if hit is None:
            self._say("#corpus-words", "", layout=True)
            return
        before, token, after = hit_table.split(hit)
        colours = self.app.theme_variables
        words = Content.assemble(
            (before, ""), (f"[{token}]", f"bold {colours['accent']}"), (after, "$foreground 60%"),
            "\n", self._numbers(), "\n", self._strip(width),
        )  # fmt: skip
        self._say("#corpus-words", words, layout=True)

    def _numbers(self) -> str:
        hit, dot = self.table.hit, f" {self.app.marks.dot} "
        if hit is None:
            return ""
        score = hit.score
        numbers = [
            f"log p {score_words.number(score.score, '.2f')} a token",
            f"gap {score_words.gap(score, self.app.marks)}" if score.gap is not None else "",
            f"p {score_words.p_value(score.p)} over {score.background}" if score.p is not None else "",
            score.verdict or "",
            f"{one_line(hit.document, 60)}, position {hit.position}",
        ]
        return dot.join(part for part in numbers if part)

    def _strip(self, width: int) -> str:
        """Draw the sentence's background with the rule and this hit on it."""
        result, hit, marks = corpus_text.found(self.work), self.table.hit, self.app.marks
        least = corpus_text.threshold(result.background) if result else None
        if result is None or hit is None or hit.score.score is None or least is None:
            return ""
        drawn = [strip_plot.Mark(least, "|", "rule"), strip_plot.Mark(hit.score.score, marks.here, "this hit")]
        ascii_marks = self.app.settings.app.marks == "ascii"
        line = strip_plot.strip(result.background, drawn, min(60, width // 2), ascii_marks=ascii_marks)
        return f"background {line}  {marks.here} this hit  | 99 % lie below"

    def _say(self, selector: str, words: str | Content, *, layout: bool = False) -> None:
        say(self.query_one(selector, Static), words, layout=layout)

    # What happens on the screen.

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._look()

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.action_open_row()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.text = event.value.strip()
        if not self.text:
            self.work = None
        self.find()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say in the line of keys who has them."""
        typing = isinstance(event.widget, Input)
        self.query_one(KeysLine).say("typing · enter finds it · ^g stops · esc leaves" if typing else "")

    def on_resize(self) -> None:
        """Draw to the width."""
        self.call_after_refresh(self.redraw)

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return what this screen can write to a file."""
        return {"hits": ("these hits as a markdown table", ".md")} if self.table.hits else {}

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        return corpus_text.page(self.text, self.work, self.app.marks)
