"""The bench's keys: each action of the registry, handed to what does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from investigator.wire import Open
from screens import keys
from screens.cursor_keys import CursorKeys

if TYPE_CHECKING:
    from screens.bench_ask import Asking
    from screens.bench_panes import Panes
    from screens.bench_place import Place
    from screens.bench_row_actions import RowActions
    from screens.bench_text_actions import TextActions
    from screens.widgets.feature_table import FeaturePane
    from screens.widgets.hypothesis_bar import HypothesisBar
    from screens.widgets.pane import Pane
    from screens.widgets.prompt_bar import PromptBar

CONTINUE = 8
"""Tokens that the model writes at once."""


class BenchKeys(CursorKeys):
    """The actions of the bench; `BenchScreen` holds the widgets and takes the answers."""

    ROOM = "bench"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("bench")

    place: Place | None = None
    """Its own: where another screen moved the cursor, the bench follows when it is shown."""
    asking: Asking
    around: Panes
    row_actions: RowActions
    text_actions: TextActions
    prompt_bar: PromptBar
    hypothesis: HypothesisBar
    features: FeaturePane

    def refill(self, pane: Pane) -> None:
        """Show a pane after its order or filter changed."""
        raise NotImplementedError

    def open_ids(self, verb: Open) -> None:
        """Open exact tokens."""
        raise NotImplementedError

    def action_span(self, by: int) -> None:
        """Stretch or shrink the selected span."""
        if self.place:
            self.go(self.place.stretched(by))

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
        self.set_focus(self.prompt_bar.input)

    def action_edit_hypothesis(self) -> None:
        """Enter the hypothesis."""
        self.set_focus(self.hypothesis.input)

    def action_unlabelled(self) -> None:
        """Show or hide latents without a label."""
        self.features.unlabelled = not self.features.unlabelled
        self.refill(self.features)

    async def action_filter(self) -> None:
        """Enter the pane's filter."""
        await self.around.pane.edit_filter()

    def action_leave(self) -> None:
        """Leave an input, else clear a filter, a span or the hypothesis."""
        self.around.leave()

    def action_order(self) -> None:
        """Order the pane another way."""
        pane = self.around.pane
        pane.next_order()
        self.refill(pane)

    def action_explain(self) -> None:
        """Draw explanations here; again at the same place with another seed."""
        self.row_actions.explain()

    def action_verbalize(self) -> None:
        """Let the verbalizer speak; again at the same place with another seed."""
        self.row_actions.verbalize()

    def action_next_verbalizer(self) -> None:
        """Take another verbalizer."""
        self.row_actions.next_verbalizer()

    def action_continue_prompt(self) -> None:
        """Let the model write on."""
        if self.place:
            ids, subject = self.place.ids, self.place.opened.subject
            self.open_ids(Open(token_ids=ids, subject=subject, continue_tokens=CONTINUE))

    def action_why(self) -> None:
        """Show what the row's score is made of."""
        self.row_actions.why()

    def action_test_row(self) -> None:
        """Test the selected row's text as a hypothesis."""
        self.text_actions.test()

    def action_readers(self) -> None:
        """Score the selected row's text by every reader that reads this layer."""
        self.text_actions.readers()

    def action_find(self) -> None:
        """Look for the selected row's text, or the hypothesis, in the corpus."""
        self.text_actions.find()

    def action_intervene(self) -> None:
        """Bring the selected feature to the interventions."""
        self.row_actions.intervene()

    def action_keep(self) -> None:
        """Keep the row as a finding."""
        self.row_actions.keep()

    def action_copy_row(self) -> None:
        """Copy the row as text."""
        self.row_actions.copy()

    def action_open_row(self) -> None:
        """Open the row."""
        self.row_actions.open()
