"""The Pareto plot: active labels as points, the frontier highlighted, one label selected and named below."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style as RichStyle
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual_plot import PlotWidget

from screens import keys
from screens.pareto import Pareto, in_words


class _Plot(PlotWidget):  # type: ignore[misc]  # the library has no types
    """A plot that survives being mounted while the app is left: its parts are then missing when it asks for them."""

    def on_mount(self, event: events.Mount) -> None:
        """Keep the plot's own handler from running without its parts."""
        if not self.children:
            event.prevent_default()

    def notify_style_update(self) -> None:
        """Draw again in the theme's colours, where there is something to draw on."""
        if self.children:
            super().notify_style_update()

    def watch_margin_left(self) -> None:
        """Fit the margins, where there is something to fit."""
        if self.children:
            super().watch_margin_left()

    def watch_margin_top(self) -> None:
        """Fit the margins, where there is something to fit."""
        if self.children:
            super().watch_margin_top()

    def watch_margin_bottom(self) -> None:
        """Fit the margins, where there is something to fit."""
        if self.children:
            super().watch_margin_bottom()


class ParetoPlot(Vertical, can_focus=True):
    """Activation against log p per token; under 30 x 8 cells the same points stand as text."""

    DEFAULT_CSS = """
    ParetoPlot {
        & > PlotWidget { height: 1fr; }
        & > #pareto-words { height: 1fr; display: none; }
        & > #pareto-axes { height: 1; color: $text-muted; }
        & > #pareto-said { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-small > PlotWidget { display: none; }
        &.-small > #pareto-words { display: block; }
        & > .pareto--point { color: $text-muted; }
        & > .pareto--frontier { color: $accent; text-style: bold; }
        & > .pareto--selected { color: $primary; text-style: bold reverse; }
        &:focus > #pareto-said { text-style: bold; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"pareto--point", "pareto--frontier", "pareto--selected"}
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("plot")

    class Highlighted(Message):
        """The selection moved to a label."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Chosen(Message):
        """The selected label was opened."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, ascii_marks: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pareto = Pareto()
        self.selected: str | None = None
        self._signs = (".", "o", "@") if ascii_marks else ("·", "●", "◆")

    def compose(self) -> ComposeResult:
        """Lay out the plot, its text form and the line that names the selection."""
        plot = _Plot()
        # The plot's own arrow keys pan; here arrows walk over labels, so it never takes the focus.
        plot.can_focus = False
        yield Static("log p/token ↑ · activation →", id="pareto-axes", markup=False)
        yield plot
        yield Static(id="pareto-words", markup=False)
        yield Static(id="pareto-said", markup=False)

    def on_mount(self) -> None:
        """Leave the plot as many rows as can be, and draw what was given before."""
        self.set_class(self.app.no_color, "-small")
        if not self._whole:
            return
        plot = self.query_one(PlotWidget)
        plot.margin_left, plot.margin_top, plot.margin_bottom = 7, 0, 1
        self._redraw()

    def draw(self, pareto: Pareto, selected: str | None = None) -> None:
        """Show these labels; the selection follows its text, not its place."""
        self.pareto = pareto
        wanted = selected if selected is not None else self.selected
        self.selected = wanted if pareto.find(wanted) is not None else None
        self._redraw()

    def select(self, text: str | None) -> None:
        """Mark a label, if it is in the plot."""
        found = self.pareto.find(text)
        changed, self.selected = self.selected, text if found is not None else None
        if changed != self.selected:
            self._redraw()

    def in_words(self) -> str:
        """Return the text form, for copying and for those who cannot see the plot."""
        return in_words(self.pareto, self.selected)

    def notify_style_update(self) -> None:
        """Draw again in the theme's colours."""
        super().notify_style_update()
        if self.is_mounted:
            self._redraw()

    def on_resize(self) -> None:
        """Fall back to text where a plot cannot be read."""
        # Without colour the plot's own canvas cannot be painted: its blank cells carry no style for the filter.
        self.set_class(self.size.width < 30 or self.size.height < 8 or self.app.no_color, "-small")

    def action_walk(self, by: int) -> None:
        """Move the selection along the walk."""
        if not self.pareto.walk:
            return
        at = self.pareto.find(self.selected)
        place = (0 if by > 0 else -1) if at is None else (at + by) % len(self.pareto.walk)
        self.selected = self.pareto.walk[place].text
        self._redraw()
        self.post_message(self.Highlighted(self.selected))

    def action_choose(self) -> None:
        """Open the selected label."""
        if self.selected is not None:
            self.post_message(self.Chosen(self.selected))

    def action_copy(self) -> None:
        """Copy every point as text."""
        self.app.copy_to_clipboard(in_words(self.pareto, self.selected, limit=len(self.pareto.walk)))
        self.notify("The plot is copied as text.", markup=False)

    def action_zoom(self, direction: int) -> None:
        """Zoom in, out, or back to the whole."""
        plot = self.query_one(PlotWidget)
        (plot.action_reset_scales, plot.action_zoom_in, plot.action_zoom_out)[direction]()

    @property
    def _whole(self) -> bool:
        # Mounted while the app is left, a plot stays without its parts.
        return all(plot.children for plot in self.query(PlotWidget)) and bool(self.children)

    def _redraw(self) -> None:
        if not self.is_mounted or not self._whole:
            return
        self.query_one("#pareto-words", Static).update(Content(self.in_words()))
        self.query_one("#pareto-said", Static).update(Content(self.pareto.describe(self.pareto.find(self.selected))))
        plot = self.query_one(PlotWidget)
        plot.clear()
        self._set_limits(plot)
        at = self.pareto.find(self.selected)
        chosen = () if at is None else (self.pareto.walk[at],)
        groups = (self.pareto.off_frontier, self.pareto.frontier, chosen)
        for points, sign, style in zip(groups, self._signs, self._styles(), strict=True):
            if points:
                xs, ys = [point.activation for point in points], [point.score for point in points]
                plot.scatter(xs, ys, marker=sign, marker_style=str(style))

    def _set_limits(self, plot: PlotWidget) -> None:
        # The frame covers a plot's outermost cells, and the frontier lives at the edges: 8 % of air on each side.
        axes = ([point.activation for point in self.pareto.walk], [point.score for point in self.pareto.walk])
        for values, limit in zip(axes, (plot.set_xlimits, plot.set_ylimits), strict=True):
            low, high = min(values, default=0.0), max(values, default=1.0)
            air = (high - low) * 0.08 or 0.5
            limit(low - air, high + air)

    def _styles(self) -> tuple[RichStyle, ...]:
        return tuple(self.get_component_rich_style(f"pareto--{name}") for name in ("point", "frontier", "selected"))
