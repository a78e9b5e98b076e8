"""Text from models, labels and people is data: shown inert on a terminal, escaped in markdown."""

from __future__ import annotations

import re
import unicodedata

_BIDI_AND_ZERO_WIDTH = frozenset(
    "\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u061c"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$&])")


def _visible(char: str) -> str:
    if char == "\n":
        return "⏎"
    if char == "\t":
        return "⇥"
    if char in _BIDI_AND_ZERO_WIDTH or unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return f"⟨{ord(char):x}⟩"
    return char


def inert(text: str) -> str:
    """Return the text with control, format, bidirectional and unassigned characters made visible.

    A newline becomes ⏎, a tab ⇥, anything else of those kinds its code point in ⟨⟩. The result holds no terminal
    escape and no line break; markup brackets stay, so widgets must show it as plain text, never as markup.
    """
    return "".join(map(_visible, text)) if not text.isprintable() or not text.isascii() else text


def one_line(text: str, width: int) -> str:
    """Return inert text cut to `width` characters, with … where something was cut."""
    shown = inert(text)
    return shown if len(shown) <= width else shown[: max(width - 1, 0)] + "…"


def markdown(text: str) -> str:
    """Return inert text with every character that markdown or HTML reads as markup escaped."""
    return _MARKDOWN.sub(r"\\\1", inert(text)).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")
