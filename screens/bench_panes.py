"""Which pane has the keys: going from pane to pane, entering and leaving inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget
from textual.widgets import Input

from screens import bench_draw
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from screens.bench import BenchScreen

PLOT, HYPOTHESIS, VERBALIZERS = 4, 5, 6
ROWS = (1, 2, 3, VERBALIZERS)
"""Panes of one verb's rows."""
ORDER = (1, 2, 3, VERBALIZERS, PLOT, HYPOTHESIS)
"""In which tab goes through them."""
SLOTS = {1: "features", 2: "labels", 3: "explain", 4: "labels", 5: "test", 6: "verbalize"}


class Panes:
    """The bench's places for the keys: four panes of rows, plot with findings, and the hypothesis."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench
        self.number = 1
        self.last = 1
        """The last of the panes of rows that had the keys."""
        self.visible = 1
        """The pane that is shown where panes take turns; the hypothesis stands below any of them."""

    @property
    def pane(self) -> Pane:
        """Return the pane that keys act on; the last one where plot or hypothesis has them."""
        return self.bench.panes[ROWS.index(self.last)]

    @property
    def slot(self) -> str:
        """Return the slot of the focused pane's work; while typing, that of whatever slow work runs."""
        return "" if isinstance(self.bench.focused, Input) else SLOTS[self.number]

    def go(self, number: int) -> None:
        """Give a pane the keys, and show it where panes take turns."""
        self.number = number
        self.last = number if number in ROWS else self.last
        self.visible = number if number != HYPOTHESIS else self.visible
        self.take_turns()
        bench_draw.tabs(self.bench)
        self.focus()

    def take_turns(self) -> None:
        """Show the visible pane where panes take turns: classes of the few parts, since one of the screen's would
        style every widget again at each change of pane."""
        bench, below = self.bench, self.visible in {PLOT, VERBALIZERS}
        if not bench.has_class("-narrow") and not bench.has_class("-short"):
            return
        for pane in bench.panes:
            pane.set_class(self.visible == pane.NUMBER, "-front")
        bench.query_one("#below").set_class(below, "-front").set_class(self.visible == VERBALIZERS, "-words")
        bench.query_one("#panes").set_class(below, "-behind")

    def step(self, by: int) -> None:
        """Go to the next pane or back; plot and findings are two stops of pane 4."""
        plot = self.bench.query("ParetoPlot")
        if self.number == PLOT and by > 0 and plot and plot.first().has_focus:
            self.bench.findings.table.focus()
        elif self.number == PLOT and by < 0 and plot and self.bench.findings.table.has_focus:
            plot.first().focus()
        else:
            self.go(ORDER[(ORDER.index(self.number) + by) % len(ORDER)])

    def focus(self) -> None:
        """Give the keys to what stands in the pane."""
        # At once: `Widget.focus` would wait for the next message, and keys typed ahead would miss it.
        self.bench.set_focus(self._target())

    def focused(self, widget: Widget) -> None:
        """Take note of a focus that a click or a plot's own key has set; one that has moved on since is none."""
        if widget is not self.bench.focused:
            return
        for pane in self.bench.panes:
            if pane in widget.ancestors and not isinstance(widget, Input) and self.number != pane.NUMBER:
                self.go(pane.NUMBER)

    def row(self, by: int) -> None:
        """Select another row; on the hypothesis, test an earlier or later sentence."""
        if self.number == HYPOTHESIS:
            text = self.bench.hypothesis.walk(by)
            self.bench.hypothesis.text = text
            self.bench.asking.test(text)
        elif self.number == PLOT:
            self.bench.findings.table.move(by)
        else:
            self.pane.table.move(by)

    def page(self, by: int) -> None:
        """Select a row a page away."""
        table = self.pane.table if self.number in ROWS else self.bench.findings.table
        table.page(by)

    def leave(self) -> None:
        """Leave an input, else clear a filter, else a span, else the hypothesis."""
        bench = self.bench
        if isinstance(bench.focused, Input):
            if bench.focused.has_class("filter") and not self.pane.filter:
                self.pane.remove_class("-filtering")
            self.focus()
        elif self.number in ROWS and self.pane.clear_filter():
            bench.refill(self.pane)
        elif bench.place is not None and bench.place.given is not None:
            bench.go(bench.place.plain)
        elif bench.place is not None and bench.place.anchor is not None:
            bench.go(bench.place.at_token(bench.place.position))
        elif bench.hypothesis.clear():
            bench_draw.place(bench)

    def _target(self) -> Widget:
        if self.number == HYPOTHESIS:
            return self.bench.hypothesis
        if self.number == PLOT:
            plot = self.bench.query("ParetoPlot")
            return plot.first() if plot else self.bench.findings.table
        return self.pane.table
