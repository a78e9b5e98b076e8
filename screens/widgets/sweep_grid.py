"""Layers below each other, tokens beside each other: a number, a bar or words in each cell, and its heat."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events, getters
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from investigator.records import SweepRow, Token
from investigator.text import inert
from screens import heat
from screens.app import InvestigatorApp
from screens.sweep_cells import BLANK, WIDEST_BAR, WIDTHS, Scale, View, drawn, named, scale_of

LABEL = 5
"""Cells before the tokens: `L12  `."""


class SweepGrid(Widget):
    """One line of tokens, then a line a layer, the highest first; both scroll so that the cursor is seen."""

    COMPONENT_CLASSES = {"sweep--plain", "sweep--dim", "sweep--here", "sweep--error"}
    DEFAULT_CSS = """
    SweepGrid {
        height: 1fr;
        & > .sweep--plain { color: $foreground; }
        & > .sweep--dim { color: $foreground 70%; }
        & > .sweep--here { color: $accent; text-style: bold; }
        & > .sweep--error { color: $text-error; }
    }
    """
    app = getters.app(InvestigatorApp)

    class Picked(Message):
        """A cell was clicked."""

        def __init__(self, position: int, layer: int) -> None:
            super().__init__()
            self.position, self.layer = position, layer

    def __init__(self) -> None:
        super().__init__(id="sweep-grid")
        self.tokens: tuple[Token, ...] = ()
        self.swept: tuple[int, ...] = ()
        self.rows: dict[int, SweepRow] = {}
        self.cursor: tuple[int, int] | None = None
        self.view: View = "numbers"
        self._scale = Scale()
        self._seen: object = None

    def show(
        self,
        tokens: tuple[Token, ...],
        layers: Sequence[int],
        rows: Sequence[SweepRow],
        cursor: tuple[int, int] | None,
        view: View,
    ) -> None:
        """Show these layers; `cursor` is (position, layer), None where it stands in another prompt."""
        fresh = (tokens, tuple(layers), tuple(rows), cursor, view)
        if fresh == self._seen:
            return
        self._seen = fresh
        self.tokens, self.cursor, self.view = tokens, cursor, view
        self.swept, self.rows = tuple(sorted(layers, reverse=True)), {row.layer: row for row in rows}
        self._scale = scale_of(rows)
        self.refresh()

    # Where things are.

    @property
    def _wide(self) -> int:
        room = max(1, self.size.width - LABEL)
        if self.view == "bars":
            return max(1, min(WIDEST_BAR, room // max(1, len(self.tokens))))
        return min(room, WIDTHS[self.view])

    @property
    def shown(self) -> range:
        """Return the positions of the tokens that are seen."""
        fit = max(1, (self.size.width - LABEL) // self._wide)
        return _window(self.cursor[0] if self.cursor else 0, len(self.tokens), fit)

    @property
    def _lines(self) -> tuple[int, ...]:
        at = self.swept.index(self.cursor[1]) if self.cursor and self.cursor[1] in self.swept else 0
        window = _window(at, len(self.swept), max(1, self.size.height - 1))
        return self.swept[window.start : window.stop]

    def on_click(self, event: events.Click) -> None:
        """Pick the cell under the mouse."""
        position = self.shown.start + (event.x - LABEL) // self._wide
        if event.x >= LABEL and position in self.shown and 1 <= event.y <= len(self._lines):
            self.post_message(self.Picked(position, self._lines[event.y - 1]))

    # Painting.

    def render_line(self, y: int) -> Strip:
        """Paint the tokens, or a layer below them."""
        base, lines = self._style("plain"), self._lines
        pieces: list[Segment] = []
        if self.swept and y == 0:
            pieces = self._names()
        elif 0 < y <= len(lines):
            pieces = self._layer(lines[y - 1])
        return Strip(pieces).adjust_cell_length(self.size.width, base)

    def _names(self) -> list[Segment]:
        wide, shown = self._wide, self.shown
        cut = self.app.marks.cut
        before, after = (cut if shown.start else " "), (cut if shown.stop < len(self.tokens) else " ")
        pieces = [Segment(set_cell_size(" " * (LABEL - 2) + before, LABEL), self._style("dim"))]
        for at in shown:
            here = self.cursor is not None and at == self.cursor[0]
            text = named(self.tokens[at], wide, self.view) if wide > 2 else ("^" if here else " ") * wide
            pieces.append(Segment(text, self._style("here" if here else "dim")))
        return [*pieces, Segment(after, self._style("dim"))]

    def _layer(self, layer: int) -> list[Segment]:
        here = self.cursor is not None and layer == self.cursor[1]
        pieces = [Segment(set_cell_size(f"L{layer}", LABEL), self._style("here" if here else "dim"))]
        row = self.rows.get(layer)
        if row is not None and row.error is not None:
            return [*pieces, Segment(f"{self.app.marks.bad} {inert(row.error)}", self._style("error"))]
        return pieces + [self._cell(row, at, here=self.cursor == (at, layer)) for at in self.shown]

    def _cell(self, row: SweepRow | None, at: int, *, here: bool) -> Segment:
        cell = (row.cell(at) if row else None) or BLANK
        text = drawn(cell, self.view, self._wide, self._scale, self.app.marks, here=here)
        style = self._style("dim") if cell.value is None else self._hot(self._scale.share(cell.value))
        if here:
            style += Style(bold=True, reverse=cell.value is None or (self.view == "bars" and self._wide <= 2))
        return Segment(text, style)

    def _hot(self, share: float) -> Style:
        ramp = heat.ramp(self.app.theme_variables)
        hot = ramp[heat.bucket(share, 1.0, len(ramp))]
        if self.view != "bars":
            return self._style("plain") + hot.rich_style
        # The bar itself is hot: on a hot ground its height could not be told.
        return self._style("plain") + Style(color=hot.background.rich_color if hot.background is not None else None)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"sweep--{name}")


def _window(at: int, count: int, fit: int) -> range:
    """Return the range of `fit` of `count` things that holds `at`, in its middle where there is room."""
    first = max(0, min(at - fit // 2, count - fit))
    return range(first, min(count, first + fit))
