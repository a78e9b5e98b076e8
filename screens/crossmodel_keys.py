"""The keys of the cross-model screen: each action of the registry, handed to what does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from investigator import expressions
from investigator.errors import InvestigatorError
from screens import crossmodel_words, keeping, keys, workers
from screens.cursor_keys import CursorKeys
from screens.messages import TestText

if TYPE_CHECKING:
    from investigator.provenance import MapSummary
    from investigator.records import Compared
    from screens.widgets.reading_table import ReadingTable
    from screens.work import Work

STEPS = 10
"""Steps of the washout weight between 0 and 1."""
REST = 0.4
"""Seconds that the washout weight rests before the column is read anew."""


class CrossModelKeys(CursorKeys):
    """The actions; `CrossModelScreen` holds the widgets and shows the answers."""

    ROOM = "crossmodel"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("crossmodel")

    work: Work | None
    wash: float
    controls: bool
    seed: int
    map_name: str
    column: str

    @property
    def table(self) -> ReadingTable:
        """Return the column that has the keys."""
        raise NotImplementedError

    @property
    def compared(self) -> Compared | None:
        """Return the comparison shown, once it is whole."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """Return what the comparison shown is about, in words."""
        raise NotImplementedError

    def maps_here(self) -> list[MapSummary]:
        """Return the maps that lead from the cursor's place."""
        raise NotImplementedError

    def ask(self, *, fresh: bool = False) -> None:
        """Compare at the cursor's place."""
        raise NotImplementedError

    def ask_soon(self) -> None:
        """Compare once the keys rest, where there is a comparison already."""
        raise NotImplementedError

    def show_column(self, name: str) -> None:
        """Give a column the keys."""
        raise NotImplementedError

    # The source.

    def action_source(self) -> None:
        """Type a source instead of the cursor's."""
        if self.place is None:
            self.app.tell("Open a prompt on the bench first: B, then i.")
            return
        from screens.modals import Ask

        label = 'a latent such as l3#12, or "text"@-1/L3 - "other"@-1/L3; empty: the cursor'
        self.app.push_screen(Ask("another source", label, self.place.expression), self._sourced)

    def _sourced(self, typed: str | None) -> None:
        place = self.place
        if typed is None or place is None:
            return
        try:
            given = expressions.parse(typed) if typed else None
        except InvestigatorError as problem:
            self.app.tell(str(problem), problem=True)
            return
        self.go(replace(place.plain, given=given, expression=typed) if given is not None else place.plain)

    # The columns.

    def action_row(self, by: int) -> None:
        """Select another text."""
        self.table.move(by)

    def action_part(self, by: int) -> None:
        """Go to another column."""
        names = crossmodel_words.COLUMNS
        self.show_column(names[(names.index(self.column) + by) % len(names)])

    def action_column(self, at: int) -> None:
        """Go to a column by its number."""
        self.show_column(crossmodel_words.COLUMNS[at])

    # Asking.

    def action_compare(self) -> None:
        """Compare here."""
        self.ask()

    def action_again(self) -> None:
        """Draw once more with another seed."""
        self.seed += 1
        self.ask()

    def action_wash(self, by: int) -> None:
        """Mix in more or less of the background."""
        self.wash = max(0.0, min(1.0, round(self.wash + by / STEPS, 2)))
        self.redraw()
        self.ask_soon()

    def action_controls(self) -> None:
        """Read the controls too, or hide them."""
        self.controls = not self.controls
        if self.work is not None:
            self.ask()
        self.redraw()

    def action_next_map(self) -> None:
        """Go through another map from this place."""
        names = [one.name for one in self.maps_here()]
        if len(names) < 2:
            self.app.tell("There is no other map from this layer." if names else "No map leads from this layer.")
            return
        at = names.index(self.map_name) if self.map_name in names else 0
        self.map_name = names[(at + 1) % len(names)]
        self.redraw()
        self.ask_soon()

    # What was answered.

    def action_hypothesis(self) -> None:
        """Test the selected text at this token."""
        text = self.table.text
        if not text:
            self.app.tell("There is no text here; g compares, then arrows choose one.")
            return
        self.post_message(TestText(text))

    def action_why(self) -> None:
        """Show every column and control with all numbers."""
        if (found := self._whole()) is not None:
            from screens.modals import TextViewer

            self.app.push_screen(TextViewer("comparison", crossmodel_words.text(found, self.where)))

    def action_copy(self) -> None:
        """Copy the comparison as text."""
        if (found := self._whole()) is not None:
            self.app.copy_to_clipboard(crossmodel_words.text(found, self.where))
            self.app.tell("Copied as text.")

    def action_keep(self) -> None:
        """Keep the comparison as a finding."""
        if self._whole() is not None and self.work is not None:
            workers.start(self.app, "keep", self._keep, self.work.answer.id, exclusive=False)

    async def _keep(self, answer_id: str) -> None:
        await keeping.keep(self.app, answer_id, title=self.where)

    def _whole(self) -> Compared | None:
        if self.compared is None:
            running = self.work is not None and self.work.active
            self.app.tell("Wait until the answer is whole." if running else "Nothing was compared here; g compares.")
        return self.compared

    def action_leave(self) -> None:
        """Drop the typed source, else the controls."""
        if self.place is not None and self.place.given is not None:
            self.go(self.place.plain)
        elif self.controls:
            self.action_controls()
