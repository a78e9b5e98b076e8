"""One line of text for a place: what stands before it, and the token marked; the model had read no further."""

from backends.engine.training.reading.material import Material, Places
from backends.engine.training.reading.quoted import Seen

_TOKENS_BACK = 48
# A word's remaining pieces, at most; the model had not read them, but a person must see which word it is.
_PIECES_AFTER = 4


def excerpt(material: Material, row: int, position: int, characters: int) -> str:
    """At most `characters` before the token, which stands between « and », and the rest of its word."""
    passages, decode = material.firings.passages, material.tokenizer.decode
    tokens = passages.tokens[row]
    before = decode(tokens[max(1, position - _TOKENS_BACK) : position].tolist())
    token = decode([int(tokens[position])])
    after = _rest_of_word(material, row, position) if token[-1:].isalpha() else ""
    space = " " if token.startswith(" ") and token.strip() else ""
    marked = _one_line(token[len(space) :]).replace(" ", "␣") or "?"
    shown = _one_line(before)
    if len(shown) > characters:
        shown = "…" + shown[-characters:]
    return f"{shown}{space}«{marked}»{_one_line(after)}"


def _rest_of_word(material: Material, row: int, position: int) -> str:
    passages, rest = material.firings.passages, ""
    for place in range(position + 1, min(position + 1 + _PIECES_AFTER, int(passages.lengths[row]))):
        piece = material.tokenizer.decode([int(passages.tokens[row, place])])
        if not piece[:1].isalpha():
            break
        rest += piece
    return rest


def _one_line(text: str) -> str:
    return text.replace("\n", "⏎").replace("\t", " ").replace("⏎⏎", "⏎")


def plain(material: Material, row: int, position: int, tokens: int) -> str:
    """The last `tokens` tokens up to a place and the rest of its word, as plain text."""
    ids = material.firings.passages.tokens[row, max(1, position + 1 - tokens) : position + 1].tolist()
    text: str = material.tokenizer.decode(ids)
    return text + (_rest_of_word(material, row, position) if text[-1:].isalpha() else "")


def seen(material: Material, row: int, position: int, tokens: int) -> Seen:
    """The token at a place, its whole word, and so many tokens before it."""
    ids = material.firings.passages.tokens[row]
    before: str = material.tokenizer.decode(ids[max(1, position - tokens) : position].tolist())
    token: str = material.tokenizer.decode([int(ids[position])])
    return Seen(token, material.word(row, position), before)


def excerpts(material: Material, places: Places, characters: int) -> list[str]:
    """The line of each place."""
    pairs = zip(places.rows.tolist(), places.positions.tolist(), strict=True)
    return [excerpt(material, row, position, characters) for row, position in pairs]
