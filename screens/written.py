"""The prompt line as an expression: `= "one" - "other"` reads a source that no cursor can point at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.widgets import Input

from investigator import expressions
from investigator.errors import BadInput
from investigator.expressions import ExpressionError, Names
from investigator.sources import Ablated, Decoder, Mean, Prompted, Random, Residual, Source, Stored, leaves
from investigator.wire import Open
from screens.widgets.expression_input import TYPING, ExpressionInput
from screens.widgets.keys_line import KeysLine

if TYPE_CHECKING:
    from screens.bench import BenchScreen
    from screens.bench_place import Place

SIGN = "="
"""Begins an expression; a prompt that begins with it is written `\\=...`."""


def is_expression(line: str) -> bool:
    """Whether a line is an expression rather than a prompt."""
    return line.startswith(SIGN)


def literal(line: str) -> str:
    """Return a prompt as it is meant: without the backslash before its first sign."""
    return line[1:] if line.startswith("\\" + SIGN) else line


class Written:
    """The bench's expression: read when enter is pressed, held while its first prompt is opened, then shown."""

    def __init__(self, bench: BenchScreen) -> None:
        self.bench = bench
        self._line = ""
        self._source: Source | None = None
        """What is to be read once its prompt is open."""

    def complete(self, line: str) -> tuple[str, ...]:
        """Return how an expression may go on; nothing for a prompt."""
        if not is_expression(line):
            return ()
        head = line[: len(line) - len(line[1:].lstrip())]
        return tuple(head + found for found in expressions.complete(line[len(head) :], Names.of(self.bench.app.book)))

    def took(self, line: str) -> bool:
        """Read a line that is an expression; return whether it is one."""
        if is_expression(line):
            self.read(line)
        return is_expression(line)

    def read(self, line: str) -> None:
        """Read an expression: open its first prompt, then put the source under the panes; say what is wrong with it."""
        entry = self.bench.prompt_bar.input
        try:
            source = expressions.parse(line[1:])
        except ExpressionError as problem:
            shifted = ExpressionError(problem.plain, problem.mend, line, problem.at + 1)
            self.bench.app.tell(f"{shifted}\n{shifted.picture}", problem=True)
            entry.point_at(shifted.at)
            return
        except BadInput as problem:
            self.bench.app.tell(str(problem), problem=True)
            return
        self._begin(line, source)

    def _begin(self, line: str, source: Source) -> None:
        bench = self.bench
        self._line, self._source = line, source
        first = next((leaf for leaf in leaves(source) if isinstance(leaf, Prompted | Residual)), None)
        if isinstance(first, Prompted):
            bench.open_ids(Open(prompt=first.prompt, subject=first.subject))
        elif isinstance(first, Residual):
            bench.open_ids(Open(token_ids=first.token_ids, subject=first.subject))
        elif bench.place is not None:
            bench.go(self.placed(bench.place))
            bench.prompt_bar.show(line)
        else:
            book = bench.app.book
            bench.open_ids(Open(prompt=book.example if book else ""))

    def placed(self, place: Place) -> Place:
        """Return a place with the expression in it, where one waits; a single residual is its own place."""
        source, self._source = self._source, None
        if source is None:
            return place
        self.bench.prompt_bar.show(self._line)
        if isinstance(source, Prompted | Residual):
            return self._single(source, place)
        first = next((leaf for leaf in leaves(source) if isinstance(leaf, Prompted | Residual)), None)
        at = self._single(first, place) if first is not None else place
        layer = self._layer(source)
        at = replace(at, layer=at.layer if layer is None else min(layer, at.opened.layers - 1))
        return replace(at, given=source, expression=self._line[1:].strip())

    def _single(self, source: Prompted | Residual, place: Place) -> Place:
        """Return the place of a residual in its opened prompt, as near as there is one."""
        length = len(place.opened.tokens)
        first = max(0, min(length - 1, source.position + length * (source.position < 0)))
        layer = min(source.layer, place.opened.layers - 1) if source.layer >= 0 else place.layer
        if first != source.position + length * (source.position < 0):
            self.bench.app.tell(f"There is no token {source.position}; the prompt has {length}.", problem=True)
        if source.end is None:
            return replace(place.at_token(first), layer=layer)
        end = source.end + length if source.end <= 0 else min(source.end, length)
        return replace(place, layer=layer, position=max(first, end - 1), anchor=first if end - 1 > first else None)

    def _layer(self, source: Source) -> int | None:
        """Return the layer that a source is read at, where it says one; None: the place's own."""
        book = self.bench.app.book
        if isinstance(source, Ablated) and source.sae:
            source = Decoder(source.sae, 0)
        for leaf in (source, *leaves(source)):
            if isinstance(leaf, Decoder) and book is not None:
                return next((sae.layer for sae in book.saes if leaf.sae in {"", sae.name}), None)
            if isinstance(leaf, Prompted | Residual | Mean | Random | Stored) and leaf.layer >= 0:
                return leaf.layer
        return None

    def say_keys(self) -> None:
        """Say in the line of keys who has them, and how an expression may go on."""
        focused = self.bench.focused
        offers = focused.offers if isinstance(focused, ExpressionInput) else ""
        self.bench.query_one(KeysLine).say((offers or TYPING) if isinstance(focused, Input) else "")
