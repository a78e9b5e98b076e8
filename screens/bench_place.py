"""Where the cursor is: one prompt, one token or span, one layer. Plain data, without widgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from investigator.records import Opened
from investigator.sources import Residual, Source
from investigator.text import one_line

if TYPE_CHECKING:
    from investigator.provenance import WorkbenchSummary
    from sessions.records import Strip


@dataclass(frozen=True, eq=False)
class Place:
    """A place in an opened prompt."""

    opened: Opened
    layer: int
    position: int
    """The cursor's token."""
    anchor: int | None = None
    """The other end of a selected span; None: one token."""
    given: Source | None = None
    """A source that was written as an expression and is read instead of the cursor's; a move drops it."""
    expression: str = ""
    """The same as it was written."""

    @property
    def span(self) -> tuple[int, int]:
        """Return (first, one past the last) of the tokens that are read."""
        other = self.position if self.anchor is None else self.anchor
        return min(self.position, other), max(self.position, other) + 1

    @property
    def source(self) -> Source:
        """Return what questions ask about."""
        return self.residual if self.given is None else self.given

    @property
    def residual(self) -> Residual:
        """Return the residual stream under the cursor."""
        start, end = self.span
        return Residual(self.opened.subject, self.ids, self.layer, start, end if end - start > 1 else None)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Return the whole prompt's token ids."""
        return tuple(token.id for token in self.opened.tokens)

    @property
    def words(self) -> str:
        """Return the token or span and the layer in words: `"bon" L3`; an expression as it was written."""
        if self.given is not None:
            return one_line(self.expression, 40)
        return f'"{one_line(self.text.strip() or " ", 18)}" L{self.layer}'

    @property
    def text(self) -> str:
        """Return the text of the token or span, blanks kept."""
        start, end = self.span
        return "".join(token.text for token in self.opened.tokens[start:end])

    @property
    def norm(self) -> float | None:
        """Return the residual's L2 norm at the cursor, where it is known."""
        norms = self.opened.norms
        known = self.layer < len(norms) and self.position < len(norms[self.layer])
        return norms[self.layer][self.position] if known else None

    @property
    def plain(self) -> Place:
        """Return the place under the cursor, without an expression."""
        return self if self.given is None else replace(self, given=None, expression="")

    def at_token(self, position: int) -> Place:
        """Return the place at another token, without a span."""
        return replace(self.plain, position=self._inside(position), anchor=None)

    def at_layer(self, layer: int) -> Place:
        """Return the place at another layer."""
        return replace(self.plain, layer=max(0, min(self.opened.layers - 1, layer)))

    def stretched(self, by: int) -> Place:
        """Return the place with the span one token longer or shorter at the cursor's end."""
        anchor = self.position if self.anchor is None else self.anchor
        position = self._inside(self.position + by)
        return replace(self.plain, position=position, anchor=None if position == anchor else anchor)

    def of_prompt(self, opened: Opened) -> bool:
        """Whether another opening has the same tokens."""
        return self.ids == tuple(token.id for token in opened.tokens) and self.opened.subject == opened.subject

    def same_as(self, other: Place | None) -> bool:
        """Whether both read the same vector."""
        return other is not None and (other is self or other.source == self.source)

    def _inside(self, position: int) -> int:
        return max(0, min(len(self.opened.tokens) - 1, position))


def place_of(strip: Strip, source: Residual, book: WorkbenchSummary | None) -> Place:
    """Return the place that a saved answer is about, on its own tokens; norms are not known."""
    model = book.subjects[0] if book and book.subjects else None
    layers, width = (model.layers, model.width) if model else (source.layer + 1, 0)
    opened = Opened(strip.subject, strip.prompt, strip.tokens, layers, width, (), (), strip.continued)
    position = source.position if source.position >= 0 else len(strip.tokens) + source.position
    if source.end is None:
        return Place(opened, source.layer, position)
    return Place(opened, source.layer, source.end - 1, anchor=position)
