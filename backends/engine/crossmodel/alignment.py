"""Characters between tokenizers: which tokens of a model hold a stretch of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backends.engine.subject import Subject
from investigator.errors import BadInput

Span = tuple[int, int]
"""First character, and one past the last."""


@dataclass(frozen=True)
class Spelled:
    """A text as one model's tokens, each with the characters that it stands for; special tokens stand for none."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    """Of every token, without the spaces in front of words: tokenizers differ in whose they are."""
    whole: tuple[Span, ...]
    """The same with them."""

    def characters(self, first: int, end: int) -> Span:
        """Return the characters that tokens `first` to `end` (excluded) hold; raise BadInput where they hold none."""
        held = [span for span in self.spans[first:end] if span[0] < span[1]]
        if not held:
            raise BadInput(
                "A special token holds no character, so no token of the other model is the same.", "Move on."
            )
        return held[0][0], held[-1][1]

    def tokens(self, span: Span) -> Span:
        """Return the tokens that overlap characters, as a range; raise BadInput where no token does."""
        held = [at for at, (start, end) in enumerate(self.spans) if start < span[1] and span[0] < end]
        if not held:
            raise BadInput(
                f"The characters {span[0]} to {span[1]} ({self.text[span[0] : span[1]]!r}) align to no token.",
                "Choose a stretch of the text that holds letters.",
            )
        return held[0], held[-1] + 1


def spell(subject: Subject, text: str) -> Spelled:
    """Tokenise a text and find every token's characters; raise BadInput where the text is not UTF-8."""
    ids = tuple(subject.encode(text))
    return _spelled(text, ids, _offsets(subject, text, ids) or _from_pieces(subject, ids))


def _spelled(text: str, ids: tuple[int, ...], whole: tuple[Span, ...]) -> Spelled:
    return Spelled(text, ids, tuple(_trimmed(text, span) for span in whole), whole)


def spell_ids(subject: Subject, ids: Sequence[int]) -> Spelled:
    """Return given tokens with their text, special tokens left out of it."""
    text = subject.decode(ids)
    spelled = spell(subject, text)
    if spelled.ids == tuple(ids):
        return spelled
    return _spelled(text, tuple(ids), _from_pieces(subject, tuple(ids)))


def _offsets(subject: Subject, text: str, ids: tuple[int, ...]) -> tuple[Span, ...] | None:
    """Return the tokenizer's own offsets; None where it has none."""
    if not getattr(subject.tokenizer, "is_fast", False):
        return None
    found = subject.tokenizer(text, return_offsets_mapping=True)
    spans = [(int(start), int(end)) for start, end in found["offset_mapping"]]
    if len(ids) == len(spans) + 1:  # BOS that the subject puts in front itself
        spans.insert(0, (0, 0))
    if len(spans) != len(ids):
        return None
    return tuple((0, 0) if id in subject.special_ids else span for id, span in zip(ids, spans, strict=True))


def _trimmed(text: str, span: Span) -> Span:
    start, end = span
    while start < end - 1 and text[start].isspace():
        start += 1
    return start, end


def _from_pieces(subject: Subject, ids: tuple[int, ...]) -> tuple[Span, ...]:
    """Return characters by how much longer the text gets with every token."""
    ends = [len(subject.decode(ids[: at + 1])) for at in range(len(ids))]
    starts = [0, *ends[:-1]]
    return tuple((min(start, end), end) for start, end in zip(starts, ends, strict=True))


def same_place(source: Spelled, first: int, end: int, target: Spelled) -> Span:
    """Return the tokens of `target` that hold what tokens `first` to `end` of `source` hold, of the same text.

    One token becomes one: that of its last character, because a state knows only what stands before it.
    """
    span = source.characters(first, end)
    if end > first + 1:
        return target.tokens(span)
    held = [at for at, (start, stop) in enumerate(target.whole) if start < span[1] <= stop]
    if not held:
        raise BadInput(f"The token {target.text[slice(*span)]!r} aligns to no token of the other model.", "Move on.")
    return held[0], held[0] + 1
