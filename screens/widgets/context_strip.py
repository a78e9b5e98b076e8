"""An excerpt on which a latent fires: tokens with heat, the peak in brackets and its number in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.style import Style

from investigator.records import Context
from investigator.text import inert
from screens import heat
from screens.widgets.rows import RowList

PEAK = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)


def line(context: Context, top: float, styles: Sequence[Style], cursor: int | None = None) -> Content:
    """Return one excerpt as styled text; `top` is the activation of the hottest bucket, `cursor` a token to invert.

    The peak stands in brackets, so that it is found without colour.
    """
    parts: list[Content | tuple[str, Style]] = []
    for index, (token, activation) in enumerate(zip(context.tokens, context.activations, strict=False)):
        style = styles[heat.bucket(activation, top, len(styles))] if activation > 0 else Style()
        shown = inert(token)
        if index == context.peak:
            shown, style = _bracketed(shown), style + PEAK
        parts.append((shown, style + CURSOR if index == cursor else style))
    return Content.assemble(*parts)


def _bracketed(token: str) -> str:
    bare = token.lstrip(" ")
    return " " * (len(token) - len(bare)) + f"[{bare}]"


def in_words(context: Context, index: int | None = None) -> str:
    """Return one token of an excerpt (the peak where none is named) with its activation, as a sentence."""
    at = context.peak if index is None else index
    if not 0 <= at < min(len(context.tokens), len(context.activations)):
        return "This excerpt holds no tokens."
    where = f" · {inert(context.document)}" if context.document else ""
    peak = " (peak)" if at == context.peak else ""
    token = inert(context.tokens[at])
    return f'token {at + 1} of {len(context.tokens)} "{token}": {context.activations[at]:.2f}{peak}{where}'


class ContextList(RowList):
    """A latent's top contexts, one a row, with a cursor over the highlighted row's tokens."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.contexts: tuple[Context, ...] = ()
        self.cursor: int | None = None
        """Token under the cursor in the highlighted excerpt; None: its peak."""

    def show(self, contexts: Sequence[Context]) -> None:
        """Show these excerpts."""
        self.contexts, self.cursor = tuple(contexts), None
        self.highlighted = None
        self.draw((str(index), self._line(index)) for index in range(len(self.contexts)))

    @property
    def context(self) -> Context | None:
        """Return the highlighted excerpt."""
        return self.contexts[self.highlighted] if self.highlighted is not None and self.contexts else None

    def step_token(self, by: int) -> None:
        """Move the token cursor in the highlighted excerpt."""
        context = self.context
        if context is not None and context.tokens:
            at = context.peak if self.cursor is None else self.cursor
            self.cursor = min(max(at + by, 0), len(context.tokens) - 1)
            self.repaint_rows()

    def settle(self) -> None:
        """Forget the token cursor, after another excerpt was highlighted."""
        if self.cursor is not None:
            self.cursor = None
            self.repaint_rows()

    def repaint_rows(self) -> None:
        """Draw every excerpt again: the token cursor moved, or the theme changed."""
        for index in range(self.option_count):
            self.replace_option_prompt_at_index(index, self._line(index))

    def notify_style_update(self) -> None:
        """Draw the heat in the theme's colours."""
        super().notify_style_update()
        if self.is_mounted:
            self.repaint_rows()

    def in_words(self) -> str:
        """Return the token under the cursor in words."""
        context = self.context
        return "No excerpts were recorded for this latent." if context is None else in_words(context, self.cursor)

    def _line(self, index: int) -> Content:
        context = self.contexts[index]
        cursor = self.cursor if index == self.highlighted else None
        styles = heat.ramp(self.app.theme_variables)
        top = max((max(one.activations, default=0.0) for one in self.contexts), default=0.0)
        return Content(f"{max(context.activations, default=0.0):7.2f}  ") + line(context, top, styles, cursor)
