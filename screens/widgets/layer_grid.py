"""A hypothesis over layers and tokens: a bar and a heat for each, the cursor's cell in brackets and in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import getters
from textual.strip import Strip
from textual.widget import Widget

from investigator.records import HypothesisRow, Score, Token
from investigator.text import inert, one_line
from screens import heat
from screens.app import InvestigatorApp
from screens.heat_map import HeatMap, of_scores

LABEL = 5
"""Cells before the tokens: `L12 `."""
WIDEST = 7
"""Cells of a token where there is room."""

Rows = tuple[tuple[int, HeatMap], ...]


def layers_of(row: HypothesisRow | None, layer: int) -> Rows:
    """Return the heat of every layer that was scored, the highest first, all on one scale."""
    if row is None:
        return ()
    given: dict[int, Sequence[Score]] = dict(row.layers) or ({layer: row.positions} if row.positions else {})
    top = max((_value(score) for scores in given.values() for score in scores), default=0.0)
    return tuple((at, of_scores(row.text, given[at], top)) for at in sorted(given, reverse=True))


def _value(score: Score) -> float:
    return score.gap if score.gap is not None else score.score if score.score is not None else float("-inf")


class LayerGrid(Widget):
    """Rows below each other, tokens beside each other; a click is not needed, the cursor is the screen's."""

    COMPONENT_CLASSES = {"grid--plain", "grid--dim", "grid--here"}
    DEFAULT_CSS = """
    LayerGrid {
        height: 1fr;
        & > .grid--plain { color: $foreground; }
        & > .grid--dim { color: $foreground 70%; }
        & > .grid--here { color: $accent; text-style: bold; }
    }
    """
    app = getters.app(InvestigatorApp)

    def __init__(self) -> None:
        super().__init__(id="grid")
        self.tokens: tuple[Token, ...] = ()
        self.rows: Rows = ()
        self.position = 0
        self.here = 0
        self.hint = ""
        """What is said while there is nothing to draw."""

    def show(self, tokens: tuple[Token, ...], rows: Rows, position: int, layer: int, hint: str) -> None:
        """Show these layers."""
        fresh = (tokens, rows, position, layer, hint)
        if fresh != (self.tokens, self.rows, self.position, self.here, self.hint):
            self.tokens, self.rows, self.position, self.here, self.hint = tokens, rows, position, layer, hint
            self.refresh()

    def in_words(self) -> str:
        """Return the cursor's cell in words."""
        found = dict(self.rows).get(self.here)
        token = self.tokens[self.position].text.strip() if self.position < len(self.tokens) else ""
        number = found.number(self.position) if found else ""
        where = f'"{one_line(token, 18)}" L{self.here}'
        return f"{where}  {number or 'not scored here'}"

    def render_line(self, y: int) -> Strip:
        """Paint one layer, the tokens below them, or the words below those."""
        width, count = self.size.width, len(self.rows)
        base = self._style("plain")
        if not self.rows:
            text = self.hint[y * width : (y + 1) * width]
            return Strip([Segment(text, self._style("dim"))]).adjust_cell_length(width, base)
        if y < count:
            pieces = self._layer(*self.rows[y])
        elif y == count:
            pieces = self._names()
        elif y == count + 2:
            pieces = [Segment(f"{self.app.marks.cursor} {self.in_words()}", self._style("here"))]
        elif y == count + 3:
            pieces = [Segment(self.hint, self._style("dim"))]
        else:
            pieces = []
        return Strip(pieces).adjust_cell_length(width, base)

    def _wide(self) -> int:
        return max(1, min(WIDEST, (self.size.width - LABEL) // max(1, len(self.tokens))))

    def _shown(self) -> range:
        fit = max(1, (self.size.width - LABEL) // self._wide())
        first = max(0, min(self.position - fit // 2, len(self.tokens) - fit))
        return range(first, min(len(self.tokens), first + fit))

    def _layer(self, layer: int, heats: HeatMap) -> list[Segment]:
        wide, here = self._wide(), layer == self.here
        pieces = [Segment(f"L{layer:<{LABEL - 1}}", self._style("here" if here else "dim"))]
        for at in self._shown():
            share = heats.share(at)
            bar = self.app.marks.bar(share) * wide if share is not None else " " * wide
            if here and at == self.position and wide > 2:
                bar = f"[{bar[1:-1]}]"
            pieces.append(Segment(bar, self._hot(share)))
        return pieces

    def _names(self) -> list[Segment]:
        wide = self._wide()
        pieces = [Segment(" " * LABEL, self._style("dim"))]
        for at in self._shown():
            word = inert(self.tokens[at].text.strip()) or " "
            # One cell a token has no room for words: a cursor stands under the chosen one.
            text = set_cell_size(word, wide - 1) + " " if wide > 2 else ("^" if at == self.position else " ") * wide
            pieces.append(Segment(text, self._style("here" if at == self.position else "dim")))
        return pieces

    def _hot(self, share: float | None) -> Style:
        if share is None:
            return self._style("dim")
        # The bar itself is hot: a letter's colour on a hot ground would turn from white to black half way up.
        ramp = heat.ramp(self.app.theme_variables)
        hot = ramp[heat.bucket(share, 1.0, len(ramp))].background
        return self._style("plain") + Style(color=hot.rich_color if hot is not None else None)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"grid--{name}")
