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
from screens.sweep_cells import (
    BLANK,
    TALLEST,
    WIDEST_BAR,
    WIDEST_WORDS,
    WIDTHS,
    Scale,
    View,
    drawn,
    named,
    scale_of,
    worded,
)

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
        self.levels: tuple[int, ...] = ()
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
        self.levels, self.rows = tuple(sorted(layers, reverse=True)), {row.layer: row for row in rows}
        self._scale = scale_of(rows)
        self.refresh()

    # Where things are.

    @property
    def _wide(self) -> int:
        room = max(1, self.size.width - LABEL)
        if self.view == "bars":
            return max(1, min(WIDEST_BAR, room // max(1, len(self.tokens))))
        widest = WIDEST_WORDS if self.view == "words" else WIDTHS[self.view]
        return min(room, max(WIDTHS[self.view], min(widest, room // max(1, len(self.tokens)))))

    @property
    def _tall(self) -> int:
        """Return how many lines a layer has."""
        if self.view != "words":
            return 1
        return max(1, min(TALLEST, (self.size.height - 1) // max(1, len(self.levels))))

    @property
    def shown(self) -> range:
        """Return the positions of the tokens that are seen."""
        fit = max(1, (self.size.width - LABEL) // self._wide)
        return _window(self.cursor[0] if self.cursor else 0, len(self.tokens), fit)

    @property
    def _lines(self) -> tuple[int, ...]:
        at = self.levels.index(self.cursor[1]) if self.cursor and self.cursor[1] in self.levels else 0
        window = _window(at, len(self.levels), max(1, (self.size.height - 1) // self._tall))
        return self.levels[window.start : window.stop]

    def on_click(self, event: events.Click) -> None:
        """Pick the cell under the mouse."""
        position = self.shown.start + (event.x - LABEL) // self._wide
        lines, at = self._lines, (event.y - 1) // self._tall
        if event.x >= LABEL and position in self.shown and 0 <= at < len(lines):
            self.post_message(self.Picked(position, lines[at]))

    # Painting.

    def render_line(self, y: int) -> Strip:
        """Paint the tokens, or a layer below them."""
        base, lines = self._style("plain"), self._lines
        at, line = divmod(y - 1, self._tall)
        pieces: list[Segment] = []
        if self.levels and y == 0:
            pieces = self._names()
        elif y > 0 and at < len(lines):
            pieces = self._layer(lines[at], line)
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

    def _layer(self, layer: int, line: int) -> list[Segment]:
        here = self.cursor is not None and layer == self.cursor[1]
        label = "" if line else f"L{layer}"
        pieces = [Segment(set_cell_size(label, LABEL), self._style("here" if here else "dim"))]
        row = self.rows.get(layer)
        if row is not None and row.error is not None:
            return (
                pieces if line else [*pieces, Segment(f"{self.app.marks.bad} {inert(row.error)}", self._style("error"))]
            )
        return pieces + [self._cell(row, at, line, here=self.cursor == (at, layer)) for at in self.shown]

    def _cell(self, row: SweepRow | None, at: int, line: int, *, here: bool) -> Segment:
        cell = (row.cell(at) if row else None) or BLANK
        wide, marks = self._wide, self.app.marks
        if self.view == "words":
            text = worded(cell, wide, self._tall, self._scale, marks, here=here)[line]
        else:
            text = drawn(cell, self.view, wide, self._scale, marks, here=here)
        style = self._style("dim") if cell.value is None else self._hot(self._scale.share(cell.value))
        if here:
            style += Style(bold=True, reverse=cell.value is None or (self.view == "bars" and wide <= 2))
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
