"""What can be done with a hypothesis: test it here or at every layer, contrast, find, open, keep, copy, export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from investigator.records import Contrasted
from investigator.text import one_line
from investigator.wire import Contrast
from screens import hypotheses_text, keeping, workers
from screens.bench_place import Place
from screens.bench_rows import title_of
from screens.desk import Scope, Trial
from screens.messages import FindText, OpenHypothesis
from screens.sentence import Sentence
from screens.widgets.feature_table import nowhere
from screens.work import Work

if TYPE_CHECKING:
    from screens.hypotheses import HypothesesScreen

PRIORITY = 6
"""As the bench's tests: before a ranking, after what follows the cursor."""


@dataclass(frozen=True, eq=False)
class Marked:
    """The first of two to contrast."""

    sentence: Sentence
    place: Place


class HypothesisActions:
    """Acts on the selected row; every failure is a sentence."""

    def __init__(self, screen: HypothesesScreen) -> None:
        self.screen = screen
        self.marked: Marked | None = None
        self.contrasting: Work | None = None
        """The contrast that is shown, or runs."""
        self.contrast_words = ""
        """What is compared, in words."""

    def chosen(self) -> Trial | None:
        """Return the selected trial, or say that there is none."""
        trial = self.screen.current
        if trial is None:
            self.screen.app.tell("There is no hypothesis here; n types one.")
        return trial

    # Asking.

    def test(self, sentence: Sentence, scope: Scope = "positions") -> None:
        """Test a sentence at the cursor's place."""
        app, place = self.screen.app, self.screen.place
        if not sentence or place is None:
            return
        if place.layer not in app.layers_with_reader:
            app.tell(nowhere("reader", place, app.layers_with_reader))
            return
        verb = app.desk.verb(place, sentence, scope)
        # One slot a sentence: several may be on their way at once, and a repeated one gives way to itself.
        slot = f"test:{hash(sentence.line) & 0xFFFFFFFF:x}"
        work = app.ask(verb, slot=slot, listener=self.screen, priority=PRIORITY)
        trial = Trial(sentence, place, work)
        app.desk.add(trial)
        self.screen.select(trial)

    def test_here(self, scope: Scope) -> None:
        """Test the selected sentence at the cursor's place, or at every layer."""
        trial = self.chosen()
        if trial is None:
            return
        readers = self.screen.app.layers_with_reader
        if scope == "layers" and len(readers) == 1:
            only = next(iter(readers))
            self.screen.app.tell(f"Only layer {only} has a reader; its tokens are scored.")
            scope = "positions"
        self.test(trial.sentence, scope)

    def contrast(self) -> None:
        """Mark the row; with a mark, compare the two: two sentences here, or one sentence at two places."""
        trial, place = self.chosen(), self.screen.place
        if trial is None or place is None:
            return
        first = self.marked
        if first is None:
            self.marked = Marked(trial.sentence, place)
        elif first.sentence == trial.sentence and first.place.same_as(place):
            self.marked = None
        else:
            self._contrast(first, trial.sentence, place)
        self.screen.redraw()

    def _contrast(self, first: Marked, right: Sentence, place: Place) -> None:
        one = first.sentence == right
        app = self.screen.app
        if place.layer not in app.layers_with_reader:
            app.tell(nowhere("reader", place, app.layers_with_reader))
            return
        self.marked = None
        # Two sentences are compared at the cursor; one sentence at the marked place and at the cursor.
        source, other = (first.place.source, place.source) if one else (place.source, None)
        self.contrast_words = f"{first.place.words} and {place.words}" if one else place.words
        verb = Contrast(first.sentence.text, right.text, source, other)
        self.contrasting = app.ask(verb, slot="contrast", listener=self.screen, priority=PRIORITY)
        self.screen.show_part("why")

    # What was answered.

    def find(self) -> None:
        """Look for the sentence in the corpus."""
        if (trial := self.chosen()) is not None:
            self.screen.post_message(FindText(trial.sentence.text))

    def open(self) -> None:
        """Show the trial on the bench at its place."""
        trial = self.chosen()
        if trial is not None:
            self.screen.post_message(OpenHypothesis(trial))

    def why(self) -> None:
        """Show everything known about the row's numbers."""
        trial = self.chosen()
        if trial is None:
            return
        if trial.row is None:
            self.screen.app.tell("There are no numbers yet.")
            return
        from screens.modals import TextViewer

        self.screen.app.push_screen(TextViewer("why", hypotheses_text.trial_text(trial)))

    def copy(self) -> None:
        """Copy the contrast shown, else the row, as text."""
        app = self.screen.app
        if self.contrasted is not None:
            app.copy_to_clipboard(hypotheses_text.contrast_text(self.contrasted, self.contrast_words))
        elif (trial := self.chosen()) is not None:
            app.copy_to_clipboard(hypotheses_text.trial_text(trial))
        else:
            return
        app.tell("Copied as text.")

    @property
    def contrasted(self) -> Contrasted | None:
        """Return the contrast that is shown, once it is answered."""
        result = self.contrasting.answer.result if self.contrasting else None
        return result if isinstance(result, Contrasted) else None

    def keep(self) -> None:
        """Keep the contrast shown, else the row."""
        app = self.screen.app
        work, title, key = self._kept()
        if work is None:
            return
        if not work.answer.ended:
            app.tell("Wait until the answer is whole, or stop it with ctrl+g; then keep it.")
            return
        workers.start(app, "keep", self._keep, work, title, key, exclusive=False)

    def _kept(self) -> tuple[Work | None, str, str]:
        if self.contrasted is not None:
            return self.contrasting, hypotheses_text.contrast_title(self.contrasted, self.contrast_words), ""
        trial = self.chosen()
        if trial is None or trial.row is None:
            return None, "", ""
        return trial.work, title_of(trial.row, trial.place), f"HypothesisRow:{trial.row.key}"

    async def _keep(self, work: Work, title: str, key: str) -> None:
        await keeping.keep(self.screen.app, work.answer.id, title=title, row_key=key)

    def drop(self) -> None:
        """Take the row off the list; its answer stays stored, and it still counts as tried."""
        trial = self.chosen()
        if trial is not None:
            self.screen.app.desk.drop(trial)
            self.screen.app.tell(f"Off the list: {one_line(trial.sentence.text, 40)}. It still counts as tried.")
            self.screen.redraw()

    def leave(self) -> None:
        """Take the contrast away, else the mark."""
        if self.contrasting is not None:
            self.contrasting = None
        else:
            self.marked = None
        self.screen.redraw()
