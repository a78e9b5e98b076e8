"""Bringing the bench's shared lines up to date: strip, readout, layers, lens, overlaps, plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from investigator.records import Labels
from investigator.text import inert
from screens import heat_map, late
from screens.bench_place import Place
from screens.bench_words import labels_in, lens_words, overlap, token_words
from screens.heat_map import HeatMap
from screens.saying import say
from screens.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from screens.bench import BenchScreen

SHORT_NAMES = ("1 SAE", "2 labels", "3 words", "4 plot", "5 hypothesis", "6 verbalizers")


def place(bench: BenchScreen) -> None:
    """Show where the cursor is."""
    where = bench.place
    if not bench.is_mounted:
        return
    bench.query_one(StatusLine).refresh()
    if where is None:
        _say(bench, "#readout", _opening(bench))
        return
    heat = heat_of(bench, where)
    bench.strip.show(where.opened.tokens, where.position, where.span, heat)
    bench.layer_bar.show(where.opened.layers, where.layer)
    short = bench.has_class("-narrow") or bench.has_class("-short")
    words = token_words(where, heat, bench.lens, bench.app.marks, short=short)
    reads = "reads the expression, esc the token · " if where.given is not None else ""
    _say(bench, "#readout", _opening(bench) or Content(reads + words))
    _say(bench, "#lens", _lens(bench, where))


def heat_of(bench: BenchScreen, where: Place) -> HeatMap:
    """Return the heat over the tokens: the hypothesis under test, else the residual norms."""
    row, tested = bench.hypothesis.row, bench.hypothesis.row_place
    same = tested is not None and tested.ids == where.ids and tested.layer == where.layer
    if row is not None and row.positions and same:
        return heat_map.of_hypothesis(row)
    return heat_map.of_norms(where.opened, where.layer)


def shared(bench: BenchScreen) -> None:
    """Mark labels that stand in more than one pane, and say the overlap of the first ten with chance beside it."""
    panes, total = bench.panes, labels_in(bench.labels.answer) or bench.app.labels_known
    everything = [pane.all_texts() for pane in panes]
    firsts = [pane.first_texts() for pane in panes]
    beside, same = [""] * len(panes), list[frozenset[str]]()
    for at in range(len(panes)):
        others = frozenset().union(*(texts for other, texts in enumerate(everything) if other != at))
        # The next pane that shows something: one that waits for its key shares nothing. Two panes are compared once.
        order = ((at + by) % len(panes) for by in range(1, len(panes)))
        after = next((other for other in order if firsts[other]), at)
        said = beside[after].startswith(f"{bench.app.marks.shares} pane {panes[at].NUMBER}:")
        found = overlap(firsts[at], firsts[after], total) if after != at and not said else None
        beside[at] = found.words(f"pane {panes[after].NUMBER}", bench.app.marks) if found else ""
        same.append(everything[at] & others)
    _agreement(bench, beside)
    for pane, texts, words in zip(panes, same, beside, strict=True):
        pane.mark_same(texts, words)
    bench.agreeing.mark()


def _agreement(bench: BenchScreen, beside: list[str]) -> None:
    """Say how many pairs agree in other words, in place, on the first border that has room for it."""
    words = bench.agreeing.beside()
    for at, pane in enumerate(bench.panes):
        joined = f"{beside[at]} {bench.app.marks.dot} {words}" if beside[at] else words
        if words and len(joined) <= pane.outer_size.width - 4:
            beside[at] = joined
            return


async def fill_below(bench: BenchScreen) -> None:
    """Mount plot and findings: the first frame leaves them room and does without them."""
    box = Vertical(id="plot", classes="pane")
    box.border_title = "4 activation against log p"
    below = bench.query_one("#below")
    await below.mount(box, before=0)
    await below.mount(bench.findings)


async def plot(bench: BenchScreen) -> None:
    """Show the ranking as a plot, once its widget has been imported."""
    answer = bench.labels.answer
    if answer is None or not isinstance(answer.result, Labels) or not late.loaded(late.PLOT):
        return
    from screens.pareto import from_labels
    from screens.widgets.pareto_plot import ParetoPlot

    pareto = from_labels(answer.result)
    for widget in bench.query(ParetoPlot):
        widget.draw(pareto)
        return
    widget = ParetoPlot(ascii_marks=bench.app.settings.app.marks == "ascii")
    box = bench.query_one("#plot")
    # Waited for, because a plot whose own parts are not there yet cannot be drawn.
    await box.mount(widget)
    widget.draw(pareto)


def select_in_plot(bench: BenchScreen, text: str | None) -> None:
    """Mark the selected label in the plot."""
    if late.loaded(late.PLOT):
        from screens.widgets.pareto_plot import ParetoPlot

        for widget in bench.query(ParetoPlot):
            widget.select(text)


def tabs(bench: BenchScreen) -> None:
    """Where panes take turns, name them all on the border of the one that is shown."""
    narrow = bench.has_class("-narrow")
    for pane in bench.panes:
        names = (f"[{name}]" if at == pane.NUMBER else name for at, name in enumerate(SHORT_NAMES, 1))
        pane.tabs = "  ".join(names) if narrow else ""
        pane.redraw()


def _opening(bench: BenchScreen) -> Content | None:
    work = bench.open_work
    status = bench.app.link.status
    if work is not None and work.failure is not None:
        said = f"{inert(work.failure.message)} {inert(work.failure.mend)}".strip()
        return Content.styled(said, "$text-error")
    if work is not None and work.active and work.state != "waiting":
        return Content("opening the prompt")
    if bench.place is None:
        return Content(f"{status.message} {status.mend}".strip())
    return None


def _lens(bench: BenchScreen, where: Place) -> Content:
    pieces = lens_words(bench.lens, where.layer, bench.app.marks)
    parts = [(text + "  ", "$accent" if here else "$foreground 75%") for text, here in pieces]
    return Content.assemble(("lens  ", "$foreground 55%"), *parts) if parts else Content("")


def _say(bench: BenchScreen, selector: str, content: Content | None) -> None:
    say(bench.query_one(selector, Static), content or "")
