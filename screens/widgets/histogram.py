"""A histogram as columns of block characters, with a text form that says every count."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*%#"
NOTHING = "No activations were recorded for this latent."


def heights(counts: Sequence[int], levels: int) -> list[int]:
    """Return a height from 0 to `levels` for each count, on a log scale; any count above 0 shows.

    Log, because a latent's activations fall off so fast that a linear scale shows one column.
    """
    top = math.log1p(max(counts, default=0))
    return [max(1, round(math.log1p(count) / top * levels)) if count > 0 else 0 for count in counts]


def columns(counts: Sequence[int], rows: int, blocks: str = BLOCKS, wide: int = 1) -> list[str]:
    """Return `rows` lines that draw the counts as columns `wide` cells wide, tallest line first."""
    steps = len(blocks) - 1
    tall = heights(counts, rows * steps)
    return [
        "".join(blocks[min(max(height - row * steps, 0), steps)] * wide for height in tall)
        for row in range(rows - 1, -1, -1)
    ]


def merged(counts: Sequence[int], most: int) -> list[int]:
    """Return the counts with neighbouring bins added up, so that at most `most` are left."""
    step = -(-len(counts) // max(most, 1)) or 1
    return [sum(counts[start : start + step]) for start in range(0, len(counts), step)]


def in_words(edges: Sequence[float], counts: Sequence[int]) -> str:
    """Return the histogram as one line a bin: its edges, its count and its share."""
    total = sum(counts) or 1
    return "\n".join(
        f"{low:8.3g} to {high:8.3g}  {count:9,d}  {count / total:6.1%}"
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    )


class Histogram(Static):
    """How often each strength of activation occurs; log scale, the range written below."""

    def __init__(self, *, rows: int = 4, ascii_marks: bool = False, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.rows = rows
        self.blocks = ASCII_BLOCKS if ascii_marks else BLOCKS
        self.edges: tuple[float, ...] = ()
        self.counts: tuple[int, ...] = ()
        self.nothing = ""
        """Shown where there is nothing to draw."""

    def draw(self, edges: Sequence[float], counts: Sequence[int]) -> None:
        """Show these counts; `edges` holds one number more than `counts`."""
        self.edges, self.counts, self.nothing = tuple(edges), tuple(counts), NOTHING
        self.update(Content("\n".join(self._lines())))

    def clear(self) -> None:
        """Show nothing, where there is no latent to show."""
        self.edges, self.counts, self.nothing = (), (), ""
        self.update("")

    def in_words(self) -> str:
        """Return the text form."""
        return in_words(self.edges, self.counts)

    def on_resize(self) -> None:
        """Draw again to the room there is."""
        self.update(Content("\n".join(self._lines())))

    def _lines(self) -> list[str]:
        if not any(self.counts) or len(self.edges) != len(self.counts) + 1:
            return [self.nothing]
        if 0 < self.size.height < 3:
            return [self._flat()]
        counts = merged(self.counts, self.size.width or len(self.counts))
        # Twice the width where it fits: 20 bins in 40 cells read better than in 20.
        wide = 2 if 2 * len(counts) <= self.size.width else 1
        low, high = f"{self.edges[0]:.3g}", f"{self.edges[-1]:.3g}"
        axis = low + " " * max(1, wide * len(counts) - len(low) - len(high)) + high
        return [
            *columns(counts, max(1, min(self.rows, self.size.height - 2)), self.blocks, wide),
            axis,
            f"activation · {sum(counts):,} tokens · log scale",
        ]

    def _flat(self) -> str:
        bars = columns(merged(self.counts, max(self.size.width - 50, 8)), 1, self.blocks)[0]
        return f"activations {self.edges[0]:.3g} {bars} {self.edges[-1]:.3g} · {sum(self.counts):,} tokens · log scale"
