"""The hypothesis: a sentence of one's own, its score here, its background, and the sentences before it."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widgets import Input, Static

from investigator.records import HypothesisRow
from investigator.text import inert
from screens import control_plot, score_words
from screens.app import InvestigatorApp
from screens.bench_place import Place
from screens.desk import row_of
from screens.saying import say
from screens.sentence import Sentence, parse
from screens.widgets import strip_plot
from screens.widgets.inert_input import InertInput
from screens.work import Work

HISTORY = 100
"""Sentences kept."""


class HypothesisInput(InertInput):
    """An input whose up and down walk over earlier sentences."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "past(-1)", "Earlier hypothesis", show=False),
        Binding("down", "past(1)", "Later hypothesis", show=False),
    ]

    class Walked(Message):
        """Another sentence of the history is wanted."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_past(self, by: int) -> None:
        """Ask for an earlier or later sentence."""
        self.post_message(self.Walked(by))


class HypothesisBar(Vertical, can_focus=True):
    """Input, result and background; focused by itself it stands for its row, so that w, s and y reach it."""

    COMPONENT_CLASSES = {"hyp--good", "hyp--bad", "hyp--dim", "hyp--strong"}
    SLOT = "test"
    app = getters.app(InvestigatorApp)

    class Entered(Message):
        """A sentence is to be tested; empty: none."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="hypothesis")
        self.history: list[str] = []
        self.text = ""
        """The line under test, as typed; empty: none."""
        self.work: Work | None = None
        self.row: HypothesisRow | None = None
        self.row_place: Place | None = None
        self.place: Place | None = None
        self.refused = ""
        """Why nothing is tested here."""
        self._at = 0

    def compose(self) -> ComposeResult:
        """Lay out the input above the result and the background."""
        with Horizontal(id="hypothesis-line"):
            yield Static("hypothesis ", id="hypothesis-sign", markup=False)
            yield HypothesisInput(
                placeholder="h: say what it means; enter scores it here and at every token",
                id="hypothesis-input",
                compact=True,
            )
        yield Static(id="hypothesis-result", markup=False)
        yield Static(id="hypothesis-background", markup=False)
        yield Static(id="hypothesis-controls", markup=False)

    def on_mount(self) -> None:
        """Hold the cursor still and name the box."""
        self.input.cursor_blink = False
        self.border_title = "5 hypothesis"

    @property
    def input(self) -> HypothesisInput:
        """Return the input."""
        return self.query_one(HypothesisInput)

    @property
    def sentence(self) -> Sentence:
        """Return what is under test."""
        return parse(self.text)

    def show_text(self, text: str) -> None:
        """Put a sentence under test."""
        self.text = text
        self.input.value = text
        if text and (not self.history or self.history[-1] != text):
            self.history = [*(old for old in self.history if old != text), text][-HISTORY:]
        self._at = len(self.history)

    def go(self, place: Place) -> None:
        """Take note of the cursor's place."""
        self.place, self.refused = place, ""
        self.redraw()

    def refuse(self, why: str) -> None:
        """Say why nothing is tested here."""
        self.refused = why
        self.redraw()

    def take(self, work: Work, place: Place | None = None) -> None:
        """Show how a test goes."""
        self.work, self.refused = work, ""
        row = row_of(work)
        if row is not None:
            self.row, self.row_place = row, place or self.place
        elif self.row is not None and self.row.text != self.sentence.text:
            # Another sentence's numbers must not stand under this one.
            self.row = self.row_place = None
        self.redraw()

    def forget(self) -> None:
        """Show no result: another prompt was opened."""
        self.work = self.row = self.row_place = None
        self.redraw()

    def clear(self) -> bool:
        """Put no sentence under test; return whether there was one."""
        had = bool(self.text or self.row)
        self.text, self.input.value = "", ""
        self.forget()
        return had

    def redraw(self) -> None:
        """Bring result and background up to date."""
        if self.is_mounted:
            say(self.query_one("#hypothesis-result", Static), self._result())
            say(self.query_one("#hypothesis-background", Static), self._background())
            say(self.query_one("#hypothesis-controls", Static), self._controls())

    def on_resize(self) -> None:
        """Draw the background to its width."""
        self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Test what was typed."""
        event.stop()
        self.post_message(self.Entered(event.value.strip()))

    def on_hypothesis_input_walked(self, message: HypothesisInput.Walked) -> None:
        """Show an earlier or later sentence in the input; past the newest stands an empty line."""
        message.stop()
        self.walk(message.by)

    def walk(self, by: int) -> str:
        """Go along the history and return the sentence there."""
        self._at = max(0, min(len(self.history), self._at + by))
        self.input.value = self.history[self._at] if self._at < len(self.history) else ""
        self.input.cursor_position = len(self.input.value)
        return self.input.value

    @property
    def foreign(self) -> bool:
        """Whether the result belongs to another place than the cursor's."""
        return self.row_place is not None and self.place is not None and not self.place.same_as(self.row_place)

    def _result(self) -> Content:
        work, dim = self.work, self._style("dim")
        if self.refused:
            return Content.assemble((self.refused, dim))
        if work is not None and work.failure is not None:
            return Content.assemble((f"{inert(work.failure.message)} {inert(work.failure.mend)}", self._style("bad")))
        going = f"{_going(work)}  " if work is not None and work.active else ""
        if self.row is None or (going and self.foreign):
            many = f"{len(self.history)} earlier: up and down while typing" if self.history else ""
            return Content.assemble((going or many, dim))
        where = f"  stale: at {self.row_place.words}" if self.foreign and self.row_place else ""
        parts = score_words.parts(self.row, self.app.marks)
        return Content.assemble((going, dim), *((text, self._style(name)) for text, name in parts), (where, dim))

    def _background(self) -> Content:
        row, width = self.row, self.size.width - 4
        if row is None or not row.background or row.score.score is None or width < 20:
            return Content("")
        marks, here = self.app.marks, row.score.score
        line = strip_plot.strip(
            row.background,
            [*self._marked(row), strip_plot.Mark(here, marks.here, "here")],
            min(64, width // 2),
            ascii_marks=self.app.settings.app.marks == "ascii",
        )
        above = sum(score < here for score in row.background)
        words = f"  {marks.here} here {here:+.2f}, above {above} of {len(row.background)}"
        return Content.assemble(("background ", self._style("dim")), line, (words, self._style("dim")))

    def _marked(self, row: HypothesisRow) -> list[strip_plot.Mark]:
        """Return the controls' means where they stand among the background: gap against gap."""
        score = row.score
        base = score.score - score.gap if score.score is not None and score.gap is not None else 0.0
        found = control_plot.beside(score, row.background)[1:]
        return [strip_plot.Mark(base + one.mean, control_plot.letter(one.name), one.name) for one in found]

    def _controls(self) -> Content:
        """Say which letter stands for which control, and its gap."""
        row = self.row
        found = control_plot.beside(row.score, row.background)[bool(row.background) :] if row else []
        named = [f"{control_plot.letter(one.name)} {inert(one.name)} {one.mean:+.2f}" for one in found]
        return Content.assemble((f"controls   {'  '.join(named)}" if named else "", self._style("dim")))

    def _style(self, name: str) -> Style:
        return self.get_visual_style(f"hyp--{name}", partial=True) if name else Style()


def _going(work: Work) -> str:
    words = "waiting for the backend" if work.state == "waiting" else "testing"
    return f"{words} {work.progress} ^g stops".replace("  ", " ")
