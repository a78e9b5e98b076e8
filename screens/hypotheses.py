"""The hypotheses: every sentence tested on this prompt, with its controls, its layers and its reasons."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events, on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from screens import hypotheses_draw, hypotheses_text, seeding, workers
from screens.desk import Trial
from screens.hypotheses_actions import HypothesisActions
from screens.hypotheses_keys import PARTS, HypothesisKeys
from screens.messages import TestText, WorkChanged
from screens.saying import say
from screens.sentence import Sentence, parse
from screens.widgets.hypothesis_table import HypothesisTable
from screens.widgets.inert_input import InertInput
from screens.widgets.keys_line import KeysLine
from screens.widgets.layer_bar import LayerBar
from screens.widgets.layer_grid import LayerGrid
from screens.widgets.row_table import RowTable
from screens.widgets.token_strip import TokenStrip
from screens.work import Work


class HypothesesScreen(HypothesisKeys):
    """The list beside the layers, controls and reasons below; `HypothesisActions` does what asks or changes."""

    CSS_PATH = "hypotheses.tcss"

    def __init__(self) -> None:
        super().__init__(classes="-controls")
        self.order, self.part = "gap", PARTS[0]
        self.trials: list[Trial] = []
        """The rows, in the order shown."""
        self.acts = HypothesisActions(self)

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the question, the list, and what stands behind the selected row."""
        yield TokenStrip()
        yield Static(id="readout", markup=False)
        yield LayerBar()
        with Horizontal(id="hypotheses-line"):
            yield Static("hypothesis ", id="hypotheses-sign", markup=False)
            yield InertInput(
                placeholder="n: say what it means; other wordings after ` | `", id="hypotheses-input", compact=True
            )
        with Horizontal(id="hypotheses-top"):
            with Vertical(id="hypotheses-list", classes="box"):
                yield HypothesisTable(pointer=self.app.marks.cursor, marks=self.app.marks)
                yield Static(id="hypotheses-said", markup=False)
            with Vertical(id="hypotheses-layers", classes="box part"):
                yield LayerGrid()
        with Vertical(id="hypotheses-controls", classes="box part"):
            yield Static(id="hypotheses-plot", markup=False)
        with VerticalScroll(id="hypotheses-why", classes="box part", can_focus=False):
            yield Static(id="hypotheses-words", markup=False)

    def on_mount(self) -> None:
        """Follow the work and the store."""
        entry = self.query_one(InertInput)
        entry.cursor_blink = False
        entry.after_enter = lambda: self.set_focus(self.table)
        self.app.work_changed.subscribe(self, self._work_changed)
        self.app.link_changed.subscribe(self, lambda _: self.redraw())
        self.app.store_changed.subscribe(self, lambda _: self._seed())
        self.app.desk_changed.subscribe(self, lambda _: self.redraw())
        self.set_focus(self.table)
        self._seed()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show where the bench stands now."""
        self.redraw()

    def _seed(self) -> None:
        workers.start(self, "seed", seeding.seed, self.app)

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops first: the contrast, else the selected row's test."""
        work = self.acts.contrasting
        if work is not None and work.active:
            return work.slot
        return self.current.work.slot if self.current else ""

    @property
    def table(self) -> HypothesisTable:
        """Return the list."""
        return self.query_one(HypothesisTable)

    @property
    def current(self) -> Trial | None:
        """Return the selected trial."""
        at = self.table.index
        return self.trials[at] if 0 <= at < len(self.trials) else None

    def select(self, trial: Trial) -> None:
        """Show a trial that was just asked, under the cursor."""
        self.redraw()
        self.table.select(str(trial.number))

    def redraw(self) -> None:
        """Bring everything up to date."""
        if self.is_mounted and self.is_current:
            hypotheses_draw.everything(self)

    def show_part(self, name: str) -> None:
        """Show one of the parts that take turns where room is short."""
        self.part = name
        self.update_classes({f"-{other}": other == name for other in PARTS}, animate=False)
        # A part that was not shown has no width to be drawn to until it is laid out.
        self.call_after_refresh(self.redraw)

    def _work_changed(self, work: Work) -> None:
        if work.name in {"test", "contrast"}:
            self.redraw()

    def on_work_changed(self, message: WorkChanged) -> None:
        """Do nothing: the app's signal tells of all tests, the bench's too."""
        message.stop()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.redraw()

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.acts.open()

    @on(TokenStrip.Picked)
    def _token_picked(self, message: TokenStrip.Picked) -> None:
        if self.place:
            self.go(self.place.at_token(message.position))

    @on(LayerBar.Picked)
    def _layer_picked(self, message: LayerBar.Picked) -> None:
        if self.place:
            self.go(self.place.at_layer(message.layer))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.acts.test(parse(event.value))
        event.input.clear()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say in the line of keys who has them."""
        typing = isinstance(event.widget, Input)
        self.query_one(KeysLine).say("typing · enter tests it here · esc leaves" if typing else "")

    def on_test_text(self, message: TestText) -> None:
        """Test a sentence that another screen hands over."""
        message.stop()
        self.acts.test(Sentence(message.text))

    def on_resize(self) -> None:
        """Draw to the width."""
        self.call_after_refresh(self.redraw)

    def say(self, selector: str, words: str | Content, *, layout: bool = False) -> None:
        """Show words in one of the lines."""
        say(self.query_one(selector, Static), words, layout=layout)

    def export_forms(self) -> dict[str, tuple[str, str]]:
        """Return what this screen can write to a file."""
        return {"hypotheses": ("these hypotheses as a markdown table", ".md")} if self.trials else {}

    def export_text(self, form: str) -> str:
        """Return the text of a form."""
        prompt = self.place.opened.prompt if self.place else ""
        return hypotheses_text.page(prompt, self.trials, self.acts.contrasted, self.acts.contrast_words)
