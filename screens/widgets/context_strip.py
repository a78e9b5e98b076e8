"""An excerpt on which a latent fires: tokens with heat, the peak in brackets and its number in words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.style import Style
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from investigator.records import Context
from investigator.text import inert
from screens import heat

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


class ContextList(OptionList):
    """A latent's top contexts: up and down walk over excerpts, left and right over an excerpt's tokens."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False, compact=True)
        self.contexts: tuple[Context, ...] = ()
        self.cursor: int | None = None
        """Token under the cursor in the highlighted excerpt; None: its peak."""

    def draw(self, contexts: Sequence[Context]) -> None:
        """Show these excerpts."""
        self.contexts, self.cursor = tuple(contexts), None
        self.clear_options()
        self.add_options(Option(prompt) for prompt in self._prompts())
        if self.contexts:
            self.highlighted = 0

    def step(self, by: int) -> None:
        """Move the token cursor in the highlighted excerpt."""
        if self.highlighted is None:
            return
        context = self.contexts[self.highlighted]
        at = context.peak if self.cursor is None else self.cursor
        self.cursor = min(max(at + by, 0), len(context.tokens) - 1)
        self._redraw(self.highlighted)

    def settle(self) -> None:
        """Forget the token cursor, after another excerpt was highlighted."""
        if self.cursor is not None:
            self.cursor = None
            self.repaint_heat()

    def repaint_heat(self) -> None:
        """Draw every excerpt again, after a change of theme."""
        for index in range(len(self.contexts)):
            self._redraw(index)

    def in_words(self) -> str:
        """Return the token under the cursor in words."""
        if self.highlighted is None or not self.contexts:
            return "No excerpts were recorded for this latent."
        return in_words(self.contexts[self.highlighted], self.cursor)

    def _prompts(self) -> list[Content]:
        return [self._prompt(index) for index in range(len(self.contexts))]

    def _prompt(self, index: int) -> Content:
        context = self.contexts[index]
        cursor = self.cursor if index == self.highlighted else None
        number = f"{max(context.activations, default=0.0):6.2f} "
        styles = heat.ramp(self.app.theme_variables)
        return Content(number) + line(context, self._top, styles, cursor)

    @property
    def _top(self) -> float:
        return max((max(context.activations, default=0.0) for context in self.contexts), default=0.0)

    def _redraw(self, index: int) -> None:
        self.replace_option_prompt_at_index(index, self._prompt(index))
