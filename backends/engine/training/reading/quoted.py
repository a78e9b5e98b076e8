"""The part of a label that a rule can check: what it quotes, and where that must stand."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Where = Literal["word", "beginning", "ending", "before"]
_QUOTED = re.compile(r"[\"“]([^\"“”]{1,40})[\"”]|(?<!\w)'([^']{1,40})'(?!\w)")
_LOOKED_BACK = 32
"""Characters before a quotation that say what is meant by it."""
_ENDING = re.compile(r"\b(end|ends|ending|endings|suffix|final)\b[^\"“”']*$")
_BEGINNING = re.compile(r"\b(begin|begins|beginning|start|starts|starting|prefix|initial)\b[^\"“”']*$")
_AFTER = re.compile(r"\b(after|following|follows|follow|preceded by)\b[^\"“”']*$")
_UNREAD = re.compile(r"\b(before|precedes|preceding|followed by|as in|e\.g\.|such as in|like in)\b[^\"“”']*$")


@dataclass(frozen=True)
class Clue:
    """One quotation of a label and where it must stand."""

    text: str
    where: Where


def clues(label: str) -> list[Clue]:
    """What a label quotes; a quotation of what follows the place, which the model had not read, is left out."""
    found = []
    for match in _QUOTED.finditer(label):
        text = (match[1] or match[2]).strip().lower()
        back = label[max(0, match.start() - _LOOKED_BACK) : match.start()].lower()
        bare = text.strip("-…")
        if bare and not _UNREAD.search(back):
            found.append(Clue(bare, _where(text, back)))
    return found


def _where(text: str, back: str) -> Where:
    if text[0] in "-…" or _ENDING.search(back):
        return "ending"
    if text[-1] in "-…" or _BEGINNING.search(back):
        return "beginning"
    return "before" if _AFTER.search(back) else "word"


def holds(found: Iterable[Clue], word: str, text: str) -> bool:
    """Whether a place, its whole word and the text up to and including that word, meets any clue about the word.

    What must come before counts where nothing is said about the word itself.
    """
    word, text, clues = word.lower(), text.lower().rstrip(), list(found)
    own = [clue for clue in clues if clue.where != "before"]
    return any(_met(clue, word, text) for clue in own or clues)


def _met(clue: Clue, word: str, text: str) -> bool:
    if clue.where == "ending":
        return word.endswith(clue.text)
    if clue.where == "beginning":
        return word.startswith(clue.text)
    before = text.removesuffix(word)
    if clue.where == "before":
        return before.rstrip().endswith(clue.text)
    return word == clue.text or (" " in clue.text and (text.endswith(clue.text) or clue.text.startswith(word + " ")))
