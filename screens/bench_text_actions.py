"""What is done with what the focused pane's row says: test it here, by every reader, or look for it in the corpus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from screens import keeping, workers
from screens.bench_panes import PLOT, ROWS
from screens.bench_rows import text_of
from screens.messages import FindText
from screens.sentence import parse
from screens.widgets.explanation_table import ExplanationPane

if TYPE_CHECKING:
    from screens.bench import BenchScreen


class TextActions:
    """Acts on a text: a row's, a latent's label, the plot's label, a finding's text."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench

    def test(self) -> None:
        """Test the row's text as a hypothesis; what was drawn from this activation is judged as such."""
        self._with_text(self._test)

    def _test(self, text: str) -> None:
        self.bench.hypothesis.show_text(text)
        self.bench.asking.test(text)

    def readers(self) -> None:
        """Score the row's text by every reader that reads this layer."""
        self._with_text(self._readers)

    def _readers(self, text: str) -> None:
        bench, number = self.bench, self.bench.around.number
        if bench.place is None:
            return
        from screens.readers_sheet import ReadersSheet

        drawn = number in ROWS and isinstance(bench.around.pane, ExplanationPane)
        answer = bench.around.pane.answer if drawn else None
        author = str(getattr(answer.result, "reader", "")).partition("@")[0] if answer is not None else ""
        bench.app.push_screen(ReadersSheet(parse(text), bench.place, author))

    def find(self) -> None:
        """Look for the row's text in the corpus."""
        self._with_text(lambda text: self.bench.post_message(FindText(text)))

    def _with_text(self, then: Callable[[str], object]) -> None:
        """Hand over what the focused pane's row says: a text, a label, the plot's label, a finding's text."""
        bench = self.bench
        if bench.around.number != PLOT:
            found = bench.row_actions.chosen()
            if found is not None:
                self._said(text_of(found.row), then)
        elif bench.findings.table.has_focus:
            finding = bench.findings.current()
            if finding is None:
                bench.app.tell("There is no finding here.")
            else:
                workers.start(bench.app, "finding's text", self._of_finding, finding.answer_id, finding.row_key, then)
        else:
            # By its name: the plot is imported late, and may not be there yet.
            plot = next(iter(bench.query("ParetoPlot")), None)
            self._said(getattr(plot, "selected", None) or "", then)

    def _said(self, text: str, then: Callable[[str], object]) -> None:
        if text:
            then(text)
        else:
            here = "There is no text here." if self.bench.around.number == PLOT else "This latent has no label to test."
            self.bench.app.tell(here)

    async def _of_finding(self, answer_id: str, row_key: str, then: Callable[[str], object]) -> None:
        saved = await keeping.stored(self.bench.app, answer_id)
        if saved is None:
            return
        row = saved.row(row_key) if row_key else None
        self._said(text_of(row) if row is not None else "", then)
