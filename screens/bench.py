"""The bench: one prompt, one token, one layer, and what several explainers say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual import events, on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from investigator.records import Lens, Opened
from investigator.wire import Open
from screens import bench_draw, late, seeding, trace, workers, written
from screens.bench_agree import Agreeing
from screens.bench_ask import Asking
from screens.bench_keys import BenchKeys
from screens.bench_panes import Panes
from screens.bench_place import Place
from screens.bench_row_actions import RowActions
from screens.bench_text_actions import TextActions
from screens.link import Status
from screens.messages import FindingsChanged, OpenAnswer, OpenHypothesis, OpenPrompt, WorkChanged
from screens.widgets.explanation_table import ExplanationPane
from screens.widgets.feature_table import FeaturePane
from screens.widgets.findings_list import FindingsList
from screens.widgets.hypothesis_bar import HypothesisBar
from screens.widgets.label_table import LabelPane
from screens.widgets.layer_bar import LayerBar
from screens.widgets.pane import Pane
from screens.widgets.prompt_bar import PromptBar
from screens.widgets.row_table import RowTable
from screens.widgets.token_strip import TokenStrip
from screens.widgets.verbalizer_table import VerbalizerPane
from screens.work import Work
from screens.written import Written

if TYPE_CHECKING:
    from screens.widgets.pareto_plot import ParetoPlot


class BenchScreen(BenchKeys):
    """The main screen. It holds the place; `Asking` asks, `Panes` moves the focus, `RowActions` acts on a row."""

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        self.lens: Lens | None = None
        self.open_work: Work | None = None
        self._late = False
        self.reopened = False
        """Whether the place came with a saved answer."""
        self.features, self.labels, self.explanations = FeaturePane(), LabelPane(), ExplanationPane()
        self.verbalizers = VerbalizerPane()
        self.panes: tuple[Pane, ...] = (self.features, self.labels, self.explanations, self.verbalizers)
        self.hypothesis, self.findings = HypothesisBar(), FindingsList()
        self.written = Written(self)
        self.strip, self.layer_bar, self.prompt_bar = TokenStrip(), LayerBar(), PromptBar(self.written.complete)
        self.asking, self.row_actions, self.around = Asking(self), RowActions(self), Panes(self)
        self.text_actions, self.agreeing = TextActions(self), Agreeing(self)
        for pane in self.panes:
            pane.partner = partial(self.agreeing.short, pane)

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the bench."""
        yield self.prompt_bar
        yield self.strip
        yield Static(id="readout", markup=False)
        yield Horizontal(self.layer_bar, Static(id="lens", markup=False), id="where")
        yield Horizontal(*self.panes[:3], id="panes")
        yield self.hypothesis
        yield Horizontal(self.verbalizers, id="below")

    def on_mount(self) -> None:
        """Follow link and store, and give the first pane the keys."""
        self.labels.order = self.app.settings.app.order
        self.app.link_changed.subscribe(self, self._link_changed)
        self.app.store_changed.subscribe(self, lambda _: self.row_actions.show_findings())
        self.prompt_bar.show(self.app.prompt)
        self.prompt_bar.input.after_enter = self.around.focus
        self.hypothesis.input.after_enter = lambda: self.around.go(5)
        self.around.go(1)
        self._link_changed(self.app.link.status)
        self.call_after_refresh(self._fill_below)

    async def _fill_below(self) -> None:
        await bench_draw.fill_below(self)
        self.row_actions.show_findings()

    @property
    def work_slot(self) -> str:
        """Return the slot that ctrl+g stops first."""
        return self.around.slot

    # Opening a prompt.

    def open_text(self, prompt: str) -> None:
        """Open a prompt, or read the source of an expression (`= ...`)."""
        if self.written.took(prompt):
            return
        prompt = written.literal(prompt)
        book = self.app.book
        chat = bool(book and book.subjects and book.subjects[0].chat)
        self.prompt_bar.show(prompt)
        self.reopened = False
        self.asking.open(Open(prompt=prompt, chat=chat))

    def open_ids(self, verb: Open) -> None:
        """Open exact tokens, in place of a reopened answer's too."""
        self.reopened = False
        self.asking.open(verb)

    def _opened(self, opened: Opened) -> None:
        if self.place is not None and self.reopened and self.place.of_prompt(opened):
            # A saved answer brought its own tokens and place; only the norms were missing.
            self.place = self.app.desk.place = replace(self.place, opened=opened)
            return
        layer = self.place.layer if self.place else self._first_layer()
        self.lens, self.reopened = None, False
        for pane in self.panes:
            pane.forget()
        self.hypothesis.forget()
        more = opened.tokens[len(opened.tokens) - opened.continued :]
        self.prompt_bar.show(opened.prompt + "".join(token.text for token in more))
        self.go(self.written.placed(Place(opened, min(layer, opened.layers - 1), len(opened.tokens) - 1)))

    def _first_layer(self) -> int:
        book = self.app.book
        return max(0, book.subjects[0].layer) if book and book.subjects else 0

    # The cursor.

    def go(self, place: Place) -> None:
        """Put the cursor somewhere and ask what belongs there."""
        old, self.place = self.place, place
        self.app.desk.place = place
        if old is None or old.opened is not place.opened or old.position != place.position:
            self.lens = None
        bench_draw.place(self)
        self.asking.moved(place)

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

    async def on_work_changed(self, message: WorkChanged) -> None:
        """Show how a question goes, where it belongs."""
        work = message.work
        if work.state == "superseded":
            return
        match work.slot:
            case "open":
                self._open_changed(work)
            case "lens":
                self._lens_changed(work)
            case "agree":
                self.agreeing.take(work)
                bench_draw.shared(self)
            case "test":
                # A sentence that was cleared while it was scored stays cleared.
                if self.hypothesis.text:
                    self.hypothesis.take(work, self.asking.place_of(work))
                bench_draw.place(self)
            case slot:
                await self._pane_changed(next(pane for pane in self.panes if slot == pane.SLOT), work)

    def _open_changed(self, work: Work) -> None:
        self.open_work = work
        if isinstance(work.answer.result, Opened):
            self._opened(work.answer.result)
        bench_draw.place(self)

    def _lens_changed(self, work: Work) -> None:
        asked = self.asking.place_of(work)
        here = asked is not None and self.place is not None and asked.position == self.place.position
        if here and isinstance(work.answer.result, Lens):
            self.lens = work.answer.result
            bench_draw.place(self)

    async def _pane_changed(self, pane: Pane, work: Work) -> None:
        place = self.asking.place_of(work)
        pane.take(work, place)
        if isinstance(pane, ExplanationPane) and place is not None:
            self.app.desk.drew(place.source, pane.all_texts())
        if work.state == "done":
            trace.mark_painted(pane.table, pane.SLOT, id=work.id)
            self._load_late()
        if not work.active:
            self.agreeing.changed()
        bench_draw.shared(self)
        if pane is self.labels:
            await bench_draw.plot(self)

    def _load_late(self) -> None:
        if not self._late:
            self._late = True
            workers.start(self.app, "late", self._loading_late)

    async def _loading_late(self) -> None:
        await late.load()
        await seeding.seed(self.app)
        if self.is_mounted:
            await bench_draw.plot(self)

    def _link_changed(self, status: Status) -> None:
        if status.state == "ready":
            self.agreeing.reset()
            bench_draw.place(self)
            self.asking.again()
        for pane in self.panes:
            pane.redraw()
        self.hypothesis.redraw()
        bench_draw.place(self)

    # Panes and inputs.

    def refill(self, pane: Pane) -> None:
        """Show a pane after its order or filter changed."""
        if isinstance(pane, ExplanationPane):
            pane.redraw()
        else:
            self.asking.pane(pane, fresh=False)
        pane.redraw()

    @on(PromptBar.Entered)
    def _prompt_entered(self, message: PromptBar.Entered) -> None:
        self.open_text(message.prompt)

    @on(HypothesisBar.Entered)
    def _hypothesis_entered(self, message: HypothesisBar.Entered) -> None:
        self.hypothesis.show_text(message.text)
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
        self.written.say_keys()
        self.around.focused(event.widget)

    def on_resize(self) -> None:
        """Say as much as there is room for."""
        self.around.take_turns()
        self.call_after_refresh(bench_draw.place, self)
        self.call_after_refresh(bench_draw.tabs, self)

    # What other screens and sheets send.

    def on_open_prompt(self, message: OpenPrompt) -> None:
        """Open a prompt that another screen names."""
        message.stop()
        if message.hypothesis:
            self.hypothesis.show_text(message.hypothesis)
        self.open_text(message.prompt)

    def on_open_hypothesis(self, message: OpenHypothesis) -> None:
        """Show a tested hypothesis at its place; nothing is asked for it again."""
        message.stop()
        self.row_actions.show_trial(message.trial)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Follow the place that another screen has moved to."""
        place = self.app.desk.place
        if place is not None and place is not self.place and self.is_mounted:
            self.go(place)

    async def on_open_answer(self, message: OpenAnswer) -> None:
        """Show a saved answer as it was."""
        message.stop()
        await self.row_actions.reopen(message.answer_id, message.row_key)

    def on_pareto_plot_highlighted(self, message: ParetoPlot.Highlighted) -> None:
        """Select the plot's label among the labels."""
        if any(line.key == message.text for line in self.labels.table.lines):
            self.labels.table.select(message.text)

    def on_pareto_plot_chosen(self, message: ParetoPlot.Chosen) -> None:
        """Open the latent that carries the plot's label."""
        self.row_actions.open_label(message.text)

    def on_findings_changed(self, message: FindingsChanged) -> None:
        """List findings again."""
        self.row_actions.show_findings()
