"""The bench: one prompt, one token, one layer, and what several explainers say of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from investigator.records import Lens, Opened
from investigator.text import inert
from investigator.wire import Open
from screens import bench_draw, keys, trace
from screens.base import BaseScreen
from screens.bench_ask import CONTINUE, Asking
from screens.bench_panes import Panes
from screens.bench_place import Place
from screens.bench_row_actions import RowActions
from screens.link import Status
from screens.messages import FindingsChanged, OpenAnswer, OpenPrompt, WorkChanged
from screens.widgets.explanation_table import ExplanationPane
from screens.widgets.feature_table import FeaturePane
from screens.widgets.findings_list import FindingsList
from screens.widgets.hypothesis_bar import HypothesisBar
from screens.widgets.keys_line import KeysLine
from screens.widgets.label_table import LabelPane
from screens.widgets.layer_bar import LayerBar
from screens.widgets.pane import Pane
from screens.widgets.prompt_bar import PromptBar
from screens.widgets.row_table import RowTable
from screens.widgets.token_strip import TokenStrip
from screens.work import Work


class BenchScreen(BaseScreen[None]):
    """The main screen. It holds the place; `Asking` asks, `Panes` moves the focus, `RowActions` acts on a row."""

    ROOM = "bench"
    CSS_PATH = "bench.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("bench")

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        self.lens: Lens | None = None
        self.open_work: Work | None = None
        self.features, self.labels, self.explanations = FeaturePane(), LabelPane(), ExplanationPane()
        self.panes: tuple[Pane, ...] = (self.features, self.labels, self.explanations)
        self.hypothesis, self.findings = HypothesisBar(), FindingsList()
        self.strip, self.layer_bar, self.prompt_bar = TokenStrip(), LayerBar(), PromptBar()
        self.asking, self.row_actions, self.around = Asking(self), RowActions(self), Panes(self)

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the bench."""
        yield self.prompt_bar
        yield self.strip
        yield Static(id="readout", markup=False)
        yield Horizontal(self.layer_bar, Static(id="lens", markup=False), id="where")
        yield Horizontal(*self.panes, id="panes")
        yield self.hypothesis
        yield Horizontal(Vertical(id="plot", classes="pane"), self.findings, id="below")

    def on_mount(self) -> None:
        """Follow link and store, and give the first pane the keys."""
        self.labels.order = self.app.settings.app.order
        self.app.link_changed.subscribe(self, self._link_changed)
        self.app.store_changed.subscribe(self, lambda _: self.row_actions.show_findings())
        self.prompt_bar.show(self.app.prompt)
        self.around.go(1)
        self._link_changed(self.app.link.status)
        self.row_actions.show_findings()

    @property
    def place_words(self) -> str:
        """Return the layer, for the status line."""
        return f"L{self.place.layer}" if self.place else ""

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops first."""
        return self.around.slot

    # Opening a prompt.

    def open_first(self) -> None:
        """Open the prompt that was named, else the workbench's example."""
        book = self.app.book
        self.open_text(self.app.prompt or (book.example if book else ""))

    def open_text(self, prompt: str) -> None:
        """Open a prompt."""
        book = self.app.book
        chat = bool(book and book.subjects and book.subjects[0].chat)
        self.prompt_bar.show(prompt)
        self.asking.open(Open(prompt=prompt, chat=chat))

    def _opened(self, opened: Opened) -> None:
        layer = self.place.layer if self.place else self._first_layer()
        self.lens = None
        for pane in self.panes:
            pane.forget()
        self.hypothesis.forget()
        self.prompt_bar.show(inert(opened.prompt))
        self.go(Place(opened, min(layer, opened.layers - 1), len(opened.tokens) - 1))

    def _first_layer(self) -> int:
        book = self.app.book
        return max(0, book.subjects[0].layer) if book and book.subjects else 0

    # The cursor.

    def go(self, place: Place) -> None:
        """Put the cursor somewhere and ask what belongs there."""
        layer = self.place.layer if self.place else None
        self.place = place
        if layer != place.layer or not self.app.asker.running.get("lens"):
            self.lens = self.lens if layer is not None else None
        bench_draw.place(self)
        self.asking.moved(place)

    def action_token(self, by: int) -> None:
        """Move to another token."""
        if self.place:
            self.go(self.place.at_token(self.place.position + by))

    def action_token_end(self, side: int) -> None:
        """Move to the first or the last token."""
        if self.place:
            self.go(self.place.at_token(0 if side < 0 else len(self.place.opened.tokens) - 1))

    def action_layer(self, by: int) -> None:
        """Move to another layer."""
        if self.place:
            self.go(self.place.at_layer(self.place.layer + by))

    def action_span(self, by: int) -> None:
        """Stretch or shrink the selected span."""
        if self.place:
            self.go(self.place.stretched(by))

    @on(TokenStrip.Picked)
    def _token_picked(self, message: TokenStrip.Picked) -> None:
        if self.place:
            by = message.position - self.place.position
            self.go(self.place.stretched(by) if message.stretch else self.place.at_token(message.position))

    @on(LayerBar.Picked)
    def _layer_picked(self, message: LayerBar.Picked) -> None:
        if self.place:
            self.go(self.place.at_layer(message.layer))

    # Answers.

    def on_work_changed(self, message: WorkChanged) -> None:
        """Show how a question goes, where it belongs."""
        work = message.work
        if work.state == "superseded":
            return
        match work.slot:
            case "open":
                self._open_changed(work)
            case "lens":
                self._lens_changed(work)
            case "test":
                self.hypothesis.take(work, self.asking.place_of(work))
                bench_draw.place(self)
            case slot:
                self._pane_changed(next(pane for pane in self.panes if slot == pane.SLOT), work)

    def _open_changed(self, work: Work) -> None:
        self.open_work = work
        if isinstance(work.answer.result, Opened):
            self._opened(work.answer.result)
        bench_draw.place(self)

    def _lens_changed(self, work: Work) -> None:
        if isinstance(work.answer.result, Lens):
            self.lens = work.answer.result
            bench_draw.place(self)

    def _pane_changed(self, pane: Pane, work: Work) -> None:
        pane.take(work, self.asking.place_of(work))
        if work.state == "done":
            trace.mark_painted(pane.table, pane.SLOT, id=work.id)
        bench_draw.shared(self)
        if pane is self.labels:
            bench_draw.plot(self)

    def _link_changed(self, status: Status) -> None:
        if status.state == "ready":
            bench_draw.place(self)
            self.asking.again()
        for pane in self.panes:
            pane.redraw()
        self.hypothesis.redraw()
        bench_draw.place(self)

    # Panes and inputs.

    def action_pane(self, number: int) -> None:
        """Go to a pane."""
        self.around.go(number)

    def action_pane_step(self, by: int) -> None:
        """Go to the next pane or back."""
        self.around.step(by)

    def action_row(self, by: int) -> None:
        """Select another row."""
        self.around.row(by)

    def action_page(self, by: int) -> None:
        """Select a row a page away."""
        self.around.page(by)

    def action_edit_prompt(self) -> None:
        """Enter the prompt."""
        self.prompt_bar.input.focus()

    def action_edit_hypothesis(self) -> None:
        """Enter the hypothesis."""
        self.hypothesis.input.focus()

    def action_filter(self) -> None:
        """Enter the pane's filter."""
        self.around.pane.edit_filter()

    def action_leave(self) -> None:
        """Leave an input, else clear a filter, a span or the hypothesis."""
        self.around.leave()

    def action_order(self) -> None:
        """Order the pane another way."""
        pane = self.around.pane
        pane.next_order()
        self.refill(pane)

    def refill(self, pane: Pane) -> None:
        """Show a pane after its order or filter changed."""
        if pane is self.explanations:
            pane.redraw()
        else:
            self.asking.pane(pane, fresh=False)
        pane.redraw()

    @on(PromptBar.Entered)
    def _prompt_entered(self, message: PromptBar.Entered) -> None:
        self.around.focus()
        self.open_text(message.prompt)

    @on(HypothesisBar.Entered)
    def _hypothesis_entered(self, message: HypothesisBar.Entered) -> None:
        self.hypothesis.show_text(message.text)
        self.around.go(5)
        self.asking.test(message.text)

    @on(Pane.Filtered)
    def _filtered(self, message: Pane.Filtered) -> None:
        self.refill(message.pane)

    @on(RowTable.Moved)
    def _row_moved(self, message: RowTable.Moved) -> None:
        if message.table is self.labels.table:
            bench_draw.select_in_plot(self, message.key)

    @on(RowTable.Opened)
    def _row_opened(self) -> None:
        self.action_open_row()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say in the line of keys who has them."""
        typing = isinstance(event.widget, Input)
        self.query_one(KeysLine).say("typing · enter takes it · esc leaves" if typing else "")
        self.around.focused(event.widget)

    def on_resize(self) -> None:
        """Say as much as there is room for."""
        self.call_after_refresh(bench_draw.place, self)
        self.call_after_refresh(bench_draw.tabs, self)

    # What acts on the activation or on the selected row.

    def action_explain(self) -> None:
        """Draw explanations here; again at the same place with another seed."""
        self.row_actions.explain()

    def action_continue_prompt(self) -> None:
        """Let the model write on."""
        if self.place:
            ids = tuple(token.id for token in self.place.opened.tokens)
            self.asking.open(Open(token_ids=ids, subject=self.place.opened.subject, continue_tokens=CONTINUE))

    def action_why(self) -> None:
        """Show what the row's score is made of."""
        self.row_actions.why()

    def action_keep(self) -> None:
        """Keep the row as a finding."""
        self.row_actions.keep()

    def action_copy_row(self) -> None:
        """Copy the row as text."""
        self.row_actions.copy()

    def action_open_row(self) -> None:
        """Open the row."""
        self.row_actions.open()

    def on_open_prompt(self, message: OpenPrompt) -> None:
        """Open a prompt that another screen names."""
        message.stop()
        self.open_text(message.prompt)

    async def on_open_answer(self, message: OpenAnswer) -> None:
        """Show a saved answer as it was."""
        message.stop()
        await self.row_actions.reopen(message.answer_id)

    def on_findings_changed(self, message: FindingsChanged) -> None:
        """List findings again."""
        self.row_actions.show_findings()
