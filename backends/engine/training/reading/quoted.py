"""The part of a label that a rule can check: what it quotes and the marks that it names."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Where = Literal["here", "beginning", "ending", "before"]
_QUOTED = re.compile(r"[\"“]([^\"“”]{1,40})[\"”]|(?<!\w)'([^']{1,40})'(?!\w)")
_LOOKED_AT = 32
"""Characters before and after a quotation that say what is meant by it."""
_ENDING = re.compile(r"\b(end|ends|ending|endings|suffix|final)\b[^\"“”']*$")
_BEGINNING = re.compile(r"\b(begin|begins|beginning|start|starts|starting|prefix|initial)\b[^\"“”']*$")
_AFTER = re.compile(r"\b(after|following|follows|follow|preceded by)\b[^\"“”']*$")
_UNREAD = re.compile(r"\b(before|precedes|preceding|followed by)\b[^\"“”']*$")
_EXAMPLES = re.compile(r"\b(?:as|like) in\b|\be\.g\.")
_ENDS_THEN = re.compile(r"^[^\"“”']{0,6}\b(ending|endings|closing|at the end)\b")
_BEGINS_THEN = re.compile(r"^[^\"“”']{0,6}\b(opening|beginning|starting|at the start)\b")


@dataclass(frozen=True)
class Seen:
    """What stands at a place: the token's own text, the whole word of which it is part, and the text before it."""

    token: str
    word: str
    before: str

    @property
    def before_word(self) -> str:
        """The text before the word, of which the token may be a later piece."""
        text = (self.before + self.token).rstrip()
        pieces = (self.word[:size] for size in range(len(self.word), 0, -1))
        return text.removesuffix(next((piece for piece in pieces if text.endswith(piece)), ""))


@dataclass(frozen=True)
class Clue:
    """One quotation of a label and where it must stand."""

    text: str
    where: Where


def clues(label: str) -> list[Clue]:
    """What a label quotes, but for its examples ("as in") and what follows the place, which the model had not read."""
    label = _EXAMPLES.split(label, maxsplit=1)[0]
    found = []
    for match in _QUOTED.finditer(label):
        text = (match[1] or match[2]).strip().lower()
        back = label[max(0, match.start() - _LOOKED_AT) : match.start()].lower()
        then = label[match.end() : match.end() + _LOOKED_AT].lower()
        bare = text.strip("-…").strip()
        if bare and not _UNREAD.search(back):
            found.append(Clue(bare, _where(text, back, then)))
    return found


def _where(text: str, back: str, then: str) -> Where:
    if _AFTER.search(back):
        return "before"
    if text[0] in "-…" or _ENDING.search(back) or _ENDS_THEN.search(then):
        return "ending"
    if text[-1] in "-…" or _BEGINNING.search(back) or _BEGINS_THEN.search(then):
        return "beginning"
    return "here"


_HEAD_ENDS = re.compile(
    r"[\"“']|\b(after|before|in|inside|of|on|at|when|where|that|which|as|opening|ending|following|between|within|with)\b"
)


def _any_of(marks: str) -> Callable[[str], bool]:
    return lambda token: bool(token.strip()) and all(character in marks for character in token.strip())


_MARKS: list[tuple[re.Pattern[str], Callable[[str], bool]]] = [
    (re.compile(r"\b(line|paragraph) breaks?\b|\bnewlines?\b"), lambda token: "\n" in token),
    (re.compile(r"\bspaces?\b"), lambda token: not token.strip() and "\n" not in token),
    (re.compile(r"\bcommas?\b"), _any_of(",")),
    (re.compile(r"\bfull stops?\b|\bperiods?\b"), _any_of(".")),
    (re.compile(r"\bhyphens?\b|\bdash(es)?\b"), _any_of("-–—")),
    (re.compile(r"(?<!semi)\bcolons?\b"), _any_of(":")),
    (re.compile(r"\bsemicolons?\b"), _any_of(";")),
    (re.compile(r"\bquotation marks?\b|\bquotes?\b"), _any_of("\"'“”‘’`")),
    (re.compile(r"\bapostrophes?\b"), _any_of("'’")),
    (re.compile(r"\bbrackets?\b|\bparenthes[ie]s\b"), _any_of("()[]{}")),
    (re.compile(r"\bslash(es)?\b"), _any_of("/")),
    (re.compile(r"\basterisks?\b"), _any_of("*")),
    (re.compile(r"\bquestion marks?\b"), _any_of("?")),
    (re.compile(r"\bexclamation marks?\b"), _any_of("!")),
    (re.compile(r"\bdigits?\b|\bnumbers?\b"), lambda token: any(character.isdigit() for character in token)),
]


def named_marks(label: str) -> list[Callable[[str], bool]]:
    """Tests of a token for the marks that a label is about: those named before its first preposition or quotation."""
    end = _HEAD_ENDS.search(label.lower())
    head = label.lower()[: end.start()] if end else label.lower()
    return [test for pattern, test in _MARKS if pattern.search(head)]


def rule_of(label: str) -> Callable[[Seen], bool] | None:
    """The test that a label's quotations and named marks make, any of them; None where there is nothing to test.

    What must come before counts where nothing is said about the place itself.
    """
    quoted, marks = clues(label), named_marks(label)
    own = [clue for clue in quoted if clue.where != "before"]
    chosen = own if own or marks else quoted
    if not chosen and not marks:
        return None
    return lambda seen: any(test(seen.token) for test in marks) or any(_met(clue, seen) for clue in chosen)


def _met(clue: Clue, seen: Seen) -> bool:
    word, token = seen.word.lower(), seen.token.strip().lower()
    if clue.where == "before":
        return any(text.lower().rstrip().endswith(clue.text) for text in (seen.before, seen.before_word))
    if clue.text in (word, token):
        return True
    if clue.where == "ending":
        return word.endswith(clue.text)
    if clue.where == "beginning":
        return word.startswith(clue.text)
    so_far = f"{seen.before}{seen.token}".lower().rstrip()
    return " " in clue.text and (so_far.endswith(clue.text) or clue.text.startswith(f"{word} "))
