"""The keys of the corpus screen: each action of the registry, handed to what does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from screens import corpus_text, keeping, keys, workers
from screens.base import BaseScreen
from screens.bench_rows import as_text, title_of
from screens.messages import OpenPrompt, TestText

if TYPE_CHECKING:
    from investigator.records import HitRow
    from screens.widgets.hit_table import HitTable
    from screens.work import Work

LARGEST = 5_000
"""Hits that are ever asked for at once."""


class CorpusKeys(BaseScreen[None]):
    """The actions; `CorpusScreen` holds the widgets and shows the answers."""

    ROOM = "corpus"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("corpus")

    text: str
    work: Work | None
    all_positions: bool
    exact: bool
    limit: int

    @property
    def table(self) -> HitTable:
        """Return the hits."""
        raise NotImplementedError

    def find(self, *, fresh: bool = False) -> None:
        """Ask for the sentence."""
        raise NotImplementedError

    def _hit(self) -> HitRow | None:
        hit = self.table.hit
        if hit is None:
            self.app.tell("There is no hit here.")
        return hit

    def action_row(self, by: int) -> None:
        """Select another hit."""
        self.table.move(by)

    def action_page(self, by: int) -> None:
        """Select a hit a page away."""
        self.table.page(by)

    def action_end(self, side: int) -> None:
        """Select the first or the last hit."""
        self.table.move(side * len(self.table.lines))

    def action_edit(self) -> None:
        """Enter the sentence."""
        self.set_focus(self.query_one(Input))

    def action_all(self) -> None:
        """Show every position, or one a context."""
        self.all_positions = not self.all_positions
        self.find()

    def action_exact(self) -> None:
        """Score every position, or the likely ones alone."""
        self.exact = not self.exact
        self.find()

    def action_more(self) -> None:
        """Ask for twice as many hits."""
        self.limit = min(self.limit * 2, LARGEST)
        self.find()

    def action_again(self) -> None:
        """Ask for the same once more."""
        self.find(fresh=True)

    def action_open_row(self) -> None:
        """Open the hit's words, up to its token, as a prompt, and test the sentence there."""
        if (hit := self._hit()) is not None:
            place = self.app.desk.place
            special = {token.text for token in place.opened.tokens if token.special} if place else set()
            self.post_message(OpenPrompt(corpus_text.prompt_of(hit, special), self.text))

    def action_test(self) -> None:
        """Test the sentence at the bench's token."""
        if self.text:
            self.post_message(TestText(self.text))
        else:
            self.app.tell("There is no sentence here; / types one.")

    def action_why(self) -> None:
        """Show the hit in full with what its score is made of."""
        if (hit := self._hit()) is not None:
            from screens.modals import TextViewer

            self.app.push_screen(TextViewer("why", corpus_text.hit_text(hit, self.text, self.work)))

    def action_keep(self) -> None:
        """Keep the hit as a finding."""
        hit, work = self._hit(), self.work
        if hit is None or work is None:
            return
        if not work.answer.ended:
            self.app.tell("Wait until the answer is whole, or stop it with ctrl+g; then keep it.")
            return
        title = f"{self.text}: {title_of(hit, None)}"
        workers.start(self.app, "keep", self._keep, work.answer.id, title, f"HitRow:{hit.key}", exclusive=False)

    async def _keep(self, answer_id: str, title: str, key: str) -> None:
        await keeping.keep(self.app, answer_id, title=title, row_key=key)

    def action_copy(self) -> None:
        """Copy the hits as text."""
        if self._hit() is not None:
            lines = [as_text(hit, None) for hit in self.table.hits.values()]
            self.app.copy_to_clipboard("\n".join([corpus_text.summary(self.work, self.app.marks), *lines]))
            self.app.tell("Copied as text.")

    def action_leave(self) -> None:
        """Leave the input."""
        self.set_focus(self.table)
