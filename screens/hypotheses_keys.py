"""The keys of the hypothesis screen: each action of the registry, handed to what does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from screens import keys
from screens.cursor_keys import CursorKeys

if TYPE_CHECKING:
    from screens.hypotheses_actions import HypothesisActions
    from screens.widgets.hypothesis_table import HypothesisTable

ORDERS = ("gap", "p", "log p", "tested")
PARTS = ("controls", "layers", "why")


class HypothesisKeys(CursorKeys):
    """The actions; `HypothesesScreen` holds the widgets and shows the answers."""

    ROOM = "hypotheses"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("hypotheses")

    acts: HypothesisActions
    order: str
    part: str

    @property
    def table(self) -> HypothesisTable:
        """Return the list."""
        raise NotImplementedError

    def show_part(self, name: str) -> None:
        """Show one of the parts that take turns."""
        raise NotImplementedError

    def action_row(self, by: int) -> None:
        """Select another row."""
        self.table.move(by)

    def action_page(self, by: int) -> None:
        """Select a row a page away."""
        self.table.page(by)

    def action_new(self) -> None:
        """Enter a sentence."""
        self.set_focus(self.query_one(Input))

    def action_order(self) -> None:
        """Order the list another way."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.redraw()

    def action_part(self, by: int) -> None:
        """Show another of the parts that take turns."""
        self.show_part(PARTS[(PARTS.index(self.part) + by) % len(PARTS)])

    def action_test(self) -> None:
        """Test the selected sentence here."""
        self.acts.test_here("positions")

    def action_layers(self) -> None:
        """Score the selected sentence at every layer with a reader."""
        self.acts.test_here("layers")

    def action_contrast(self) -> None:
        """Mark a row, or compare the marked one with this one."""
        self.acts.contrast()

    def action_find(self) -> None:
        """Look for the sentence in the corpus."""
        self.acts.find()

    def action_open_row(self) -> None:
        """Show the row on the bench."""
        self.acts.open()

    def action_why(self) -> None:
        """Show what the score is made of."""
        self.acts.why()

    def action_keep(self) -> None:
        """Keep the row, or the contrast shown."""
        self.acts.keep()

    def action_copy(self) -> None:
        """Copy the row, or the contrast shown."""
        self.acts.copy()

    def action_drop(self) -> None:
        """Take the row off the list."""
        self.acts.drop()

    def action_leave(self) -> None:
        """Leave the input, else the contrast, else the mark."""
        if isinstance(self.focused, Input):
            self.set_focus(self.table)
        else:
            self.acts.leave()
