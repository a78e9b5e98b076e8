"""The prompt's tokens in one line, heat behind them and as bars below, scrolling under the cursor when too long."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events, getters
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from investigator.records import Token
from investigator.text import inert
from screens import heat
from screens.app import InvestigatorApp
from screens.heat_map import NOTHING, HeatMap

SPAN = Style(bold=True, underline=True)
BLANK = "␣"
"""Stands for a token that is one space."""


class Box(msgspec.Struct, frozen=True):
    """One token as it is drawn: a gap of one cell, then its text."""

    start: int
    """Column of the gap."""
    text: str
    width: int
    joined: bool
    """Whether it continues the word before it."""
    special: bool


def boxes(tokens: Sequence[Token]) -> tuple[Box, ...]:
    """Lay tokens out in one line. The gap stands for a leading space, so a cursor's brackets never move a token."""
    made: list[Box] = []
    at = 0
    for token in tokens:
        spaced = token.text.startswith(" ")
        text = inert(token.text[1:] if spaced else token.text) or BLANK
        width = cell_len(text)
        made.append(
            Box(
                at, text, width, not spaced and not token.special and bool(made) and not made[-1].special, token.special
            )
        )
        at += width + 1
    return tuple(made)


def offset(made: Sequence[Box], cursor: int, width: int) -> int:
    """Return the first column shown: 0 where all fits, else such that the cursor's token stands in the middle."""
    total = made[-1].start + made[-1].width + 2 if made else 0
    if total <= width:
        return 0
    box = made[cursor]
    return max(0, min(total - width, box.start + box.width // 2 - width // 2))


class TokenStrip(Widget):
    """Tokens with a cursor or a span in brackets."""

    COMPONENT_CLASSES = {"strip--plain", "strip--gap", "strip--special", "strip--cursor", "strip--bar"}
    DEFAULT_CSS = """
    TokenStrip {
        height: 2;
        padding: 0 1;
        & > .strip--plain { color: $foreground; }
        & > .strip--gap { color: $foreground 40%; }
        & > .strip--special { color: $foreground 70%; text-style: italic; }
        & > .strip--cursor { color: $accent; text-style: bold; }
        & > .strip--bar { color: $primary; }
    }
    """
    app = getters.app(InvestigatorApp)

    class Picked(Message):
        """A token was clicked."""

        def __init__(self, position: int, stretch: bool) -> None:
            super().__init__()
            self.position, self.stretch = position, stretch

    def __init__(self) -> None:
        super().__init__(id="strip")
        self.boxes: tuple[Box, ...] = ()
        self.heat = NOTHING
        self.cursor = 0
        self.span = (0, 1)
        self._painted: dict[str, Style] = {}

    def show(self, tokens: Sequence[Token], cursor: int, span: tuple[int, int], heat: HeatMap) -> None:
        """Show these tokens."""
        self.boxes = boxes(tokens)
        self.cursor, self.span, self.heat = cursor, span, heat
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget colours, after a change of theme."""
        super().notify_style_update()
        self._painted.clear()

    def on_click(self, event: events.Click) -> None:
        """Pick the token under the mouse; with shift, stretch the span to it."""
        column = event.x - self.gutter.left + self._offset
        for at, box in enumerate(self.boxes):
            if box.start <= column < box.start + box.width + 1:
                self.post_message(self.Picked(at, event.shift))

    @property
    def _base(self) -> Style:
        if "" not in self._painted:
            self._painted[""] = self.rich_style
        return self._painted[""]

    @property
    def _offset(self) -> int:
        return offset(self.boxes, min(self.cursor, len(self.boxes) - 1), self.size.width) if self.boxes else 0

    def render_line(self, y: int) -> Strip:
        """Paint the tokens, or the bars below them."""
        width = self.size.width
        if not self.boxes or y > 1:
            return Strip.blank(width, self._base)
        ramp = heat.ramp(self.app.theme_variables)
        segments = self._tokens(ramp) if y == 0 else self._bars(ramp)
        strip = Strip(segments).crop_extend(self._offset, self._offset + width, self._base)
        return self._with_cuts(strip, width) if y == 0 else strip

    def _tokens(self, ramp: Sequence[object]) -> list[Segment]:
        segments: list[Segment] = []
        first, end = self.span
        for at, box in enumerate(self.boxes):
            inside = first <= at < end
            segments.append(self._gap(at, box))
            segments.append(Segment(box.text, self._token_style(at, box, inside, ramp)))
        closing = "]" if end == len(self.boxes) else " "
        return [*segments, Segment(closing, self._style("cursor"))]

    def _gap(self, at: int, box: Box) -> Segment:
        first, end = self.span
        if at == first:
            return Segment("[", self._style("cursor"))
        if at == end:
            return Segment("]", self._style("cursor"))
        return Segment(self.app.marks.dot if box.joined else " ", self._style("gap"))

    def _token_style(self, at: int, box: Box, inside: bool, ramp: Sequence[object]) -> Style:
        style = self._style("special" if box.special else "plain")
        share = self.heat.share(at)
        if share is not None:
            style += self._ramp_style(ramp, share)
        if inside:
            style += SPAN
        return style + Style(reverse=True) if at == self.cursor and share is None else style

    def _bars(self, ramp: Sequence[object]) -> list[Segment]:
        segments: list[Segment] = []
        for at, box in enumerate(self.boxes):
            share = self.heat.share(at)
            bar = " " if share is None else self.app.marks.bar(share)
            segments += [Segment(" ", self._base), Segment(bar * box.width, self._style("bar"))]
        return segments

    def _ramp_style(self, ramp: Sequence[object], share: float) -> Style:
        at = heat.bucket(share, 1.0, len(ramp))
        name = f"heat-{at}"
        if name not in self._painted:
            self._painted[name] = ramp[at].rich_style  # type: ignore[attr-defined]
        return self._painted[name]

    def _with_cuts(self, strip: Strip, width: int) -> Strip:
        last = self.boxes[-1]
        cut, gap = self.app.marks.cut, self._style("gap")
        if self._offset > 0:
            strip = Strip.join([Strip([Segment(cut, gap)]), strip.crop(1)])
        if self._offset + width < last.start + last.width + 1:
            strip = Strip.join([strip.crop(0, width - 1), Strip([Segment(cut, gap)])])
        return strip

    def _style(self, name: str) -> Style:
        if name not in self._painted:
            self._painted[name] = self._base + self.get_component_rich_style(f"strip--{name}", partial=True)
        return self._painted[name]
