"""Phrasings: a hypothesis said in several ways, because small changes of wording move a score (L2EL, limitations)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backends.engine.readers.prepared import Prepared, prepare
from backends.engine.readers.reader import Reader
from investigator.errors import BadInput

SLOT = "{}"
STOPPED = "{}."
TEMPLATES = (SLOT, STOPPED, "text about {}", "references to {}")
"""The default phrasings: the words as typed, with a full stop (or without), and in two frames that label writers use.

Of 32 true labels at places of pocket's test documents, 0.81 stood among the best two of 65 places as typed, 0.78 as the
median over these four, and 0.50 over the first and the last two alone: a reader that knows what to say is all the less
ready to begin otherwise, so frames must not outnumber the plain words.
"""
_FRAMES = (
    "text about ",
    "text related to ",
    "references to ",
    "mentions of ",
    "words about ",
    "words related to ",
    "terms related to ",
)
MOST = 32
"""Phrasings of one hypothesis; each costs as much as the first."""


def check(templates: Sequence[str] | None, wordings: Mapping[str, Sequence[str]]) -> None:
    """Raise BadInput where a template has no place for the hypothesis, or there are too many phrasings."""
    for template in templates or ():
        if SLOT not in template:
            raise BadInput(f"The template {template!r} has no {SLOT} for the hypothesis.", f"Write it: {SLOT}.")
    longest = max((len(own) for own in wordings.values()), default=0)
    if len(TEMPLATES if templates is None else templates) + longest > MOST:
        raise BadInput("There are too many phrasings.", f"Give at most {MOST} of one hypothesis.")


def phrasings(text: str, templates: Sequence[str] | None, own: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the distinct phrasings of a hypothesis, in order; the user's own come last.

    A hypothesis that already has a well-known frame ("references to X") is said in the other frame, not framed twice.
    """
    text = text.strip()
    given = TEMPLATES if templates is None else templates or (SLOT,)
    return tuple(dict.fromkeys([*(_said(text, template) for template in given), *(each.strip() for each in own)]))


def _said(text: str, template: str) -> str:
    if template == STOPPED and text.endswith("."):
        return text.removesuffix(".")
    return template.replace(SLOT, _core(text) if template.startswith(_FRAMES) else text)


def _core(text: str) -> str:
    frame = next((frame for frame in _FRAMES if text.casefold().startswith(frame)), "")
    return text[len(frame) :] or text


@dataclass(frozen=True)
class Phrased:
    """Hypotheses with their phrasings made ready for one number of slots."""

    texts: tuple[str, ...]
    prepared: Prepared
    """All distinct phrasings, and the hypotheses as typed."""
    typed: tuple[int, ...]
    """Of each hypothesis, the index in `prepared.texts` of itself as typed."""
    wordings: tuple[tuple[int, ...], ...]
    """Of each hypothesis, the indices of its phrasings."""

    def error(self, text: int) -> str:
        """Return why a hypothesis cannot be scored, empty where it can: as typed it must, and one phrasing too."""
        typed = self.prepared.errors.get(self.typed[text], "")
        refused = [self.prepared.errors.get(index, "") for index in self.wordings[text]]
        return typed or (refused[0] if all(refused) else "")

    def valid(self, text: int) -> list[int]:
        """Return the phrasings of a hypothesis that can be scored."""
        return [] if self.error(text) else [i for i in self.wordings[text] if i not in self.prepared.errors]


def phrased(
    reader: Reader, texts: Sequence[str], templates: Sequence[str] | None, own: Mapping[str, Sequence[str]]
) -> Phrased:
    """Make hypotheses and their phrasings ready for a reader."""
    ways = [phrasings(text, templates, own.get(text, ())) for text in texts]
    prepared = prepare(reader.speaker, [*texts, *(way for each in ways for way in each)], slots=reader.slots)
    where = {text: index for index, text in enumerate(prepared.texts)}
    typed, said = [where[text] for text in texts], [tuple(where[way] for way in each) for each in ways]
    return Phrased(tuple(texts), prepared, tuple(typed), tuple(said))
