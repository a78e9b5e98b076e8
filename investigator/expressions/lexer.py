"""From a line to its tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from investigator.expressions.errors import ExpressionError

Kind = Literal["layer", "name", "text", "number", "mark", "end"]
LONGEST = 1_000_000
"""Characters of an expression: more than any model's context."""
PLAIN_NAME = r"[A-Za-z_](?:[A-Za-z0-9_.]|-(?=[A-Za-z0-9_]))*"
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<layer>L\d+(?![A-Za-z0-9_]))"
    rf"|(?P<name>{PLAIN_NAME})"
    r"|(?P<number>(?:\d+\.(?!\.)\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<quoted>`(?:[^`\\]|\\.)+`)"
    r"|(?P<mark>\.\.|[-+*/@:#,=()\[\]])",
    re.DOTALL,
)
_OPEN = {'"': ("A text has no closing quote", 'Close it with ".'), "`": ("A name has no closing backtick", "Close it.")}
_TYPOGRAPHIC = str.maketrans("“”„«»‘’", '"""""""', "")


class Lexeme(NamedTuple):
    """One token: its kind, its value (a text without quotes), and where it stands."""

    kind: Kind
    value: str
    at: int
    end: int


def lexemes(text: str) -> Iterator[Lexeme]:
    """Yield the tokens of an expression, an `end` last; raise ExpressionError where there is none."""
    if len(text) > LONGEST:
        raise ExpressionError(f"The expression has {len(text)} characters", f"Write at most {LONGEST}.", "", 0)
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unknown(text, at)
        if found.lastgroup != "space":
            yield _lexeme(found, text)
        at = found.end()
    yield Lexeme("end", "", len(text), len(text))


def _lexeme(found: re.Match[str], text: str) -> Lexeme:
    kind, value = found.lastgroup, found.group()
    if kind in {"text", "quoted"}:
        return Lexeme("text" if kind == "text" else "name", _unquoted(value, found.start(), text), *found.span())
    return Lexeme(kind, value, *found.span())  # type: ignore[arg-type]  # the groups are the kinds


def _unquoted(value: str, at: int, text: str) -> str:
    body = value[1:-1] if value[0] == '"' else value[1:-1].replace("\\`", "`").replace('"', '\\"')
    try:
        # Not strict: a pasted text may hold line breaks and tabs as they are.
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError as error:
        mend = 'Write \\" for a quote and \\\\ for a backslash.'
        raise ExpressionError("A text holds an escape that is none", mend, text, at) from error


def _unknown(text: str, at: int) -> ExpressionError:
    char = text[at]
    if char in _OPEN:
        return ExpressionError(*_OPEN[char], text, at)
    if char.translate(_TYPOGRAPHIC) != char or char == "'":
        return ExpressionError("A text stands between straight double quotes", 'Write it as "text".', text, at)
    return ExpressionError(f"{char!r} means nothing here", "Texts stand between double quotes.", text, at)
