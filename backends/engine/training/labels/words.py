"""Whole words over token passages: which word a token belongs to, what stands before and after it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backends.engine.training.passages import Passages

Index = NDArray[np.int32]
NONE = -1


class Strings:
    """Strings with numbers, given out as they are first seen."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a string."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return found

    def find(self, text: str) -> int:
        """The number of a string, or -1 where it was never seen."""
        return self._numbers.get(text, NONE)


@dataclass(frozen=True)
class Fields:
    """For every token [rows, context]: numbers of strings, -1 where there is none (special tokens, padding)."""

    words: Strings
    word: Index
    """The whole word that the token is part of, case kept; a run of digits is one word, a symbol is one too."""
    previous: Index
    """The word before it."""
    following: Index
    """The word after it."""
    prefixes: Strings
    prefix: Index
    """The word as far as this token, lower case, where the word goes on after it."""
    suffixes: Strings
    suffix: Index
    """The token's own text, lower case, where it ends a word that began before it."""


@dataclass(frozen=True)
class _Pieces:
    """What each token id of the vocabulary looks like."""

    texts: list[str]
    kind_at_start: NDArray[np.int8]
    kind_at_end: NDArray[np.int8]
    """1 letter, 2 digit, 0 anything else, a space included."""
    space: NDArray[np.bool_]
    """Whether the token is a single space, which belongs to the word after it."""


def _kind(character: str) -> int:
    return 1 if character.isalpha() else 2 if character.isdigit() else 0


def _pieces(tokenizer: PreTrainedTokenizerFast) -> _Pieces:
    texts = tokenizer.batch_decode([[number] for number in range(len(tokenizer))], skip_special_tokens=True)
    first = np.array([_kind(text[0]) if text else 0 for text in texts], dtype=np.int8)
    last = np.array([_kind(text[-1]) if text else 0 for text in texts], dtype=np.int8)
    return _Pieces(texts, first, last, np.array([text == " " for text in texts]))


def _starts(tokens: NDArray[np.uint16], mask: NDArray[np.bool_], pieces: _Pieces) -> NDArray[np.bool_]:
    """Where a word begins: not where letters follow letters, or digits follow digits, without a space.

    A space that is a token of its own begins the word after it.
    """
    first, before = pieces.kind_at_start[tokens], np.roll(pieces.kind_at_end[tokens], 1, axis=1)
    after_space = np.roll(pieces.space[tokens], 1, axis=1) & (first > 0)
    goes_on: NDArray[np.bool_] = ((first > 0) & (first == before) | after_space) & mask & np.roll(mask, 1, axis=1)
    goes_on[:, 0] = False
    return ~goes_on


def read_fields(passages: Passages, tokenizer: PreTrainedTokenizerFast) -> Fields:
    """Find the words of all passages."""
    pieces, mask = _pieces(tokenizer), passages.mask()
    tokens = passages.tokens.ravel()
    begins = np.flatnonzero(_starts(passages.tokens, mask, pieces).ravel())
    ends = np.append(begins[1:], len(tokens))
    words, prefixes, suffixes = Strings(), Strings(), Strings()
    numbers = _number_words(tokens, begins, ends, pieces, words)
    numbers[~mask.ravel()[begins]] = NONE
    lengths = ends - begins
    shape = passages.tokens.shape
    prefix, suffix = _parts(tokens, begins, ends, numbers, pieces, prefixes, suffixes)
    return Fields(
        words,
        np.repeat(numbers, lengths).reshape(shape),
        np.repeat(np.append(NONE, numbers[:-1]).astype(np.int32), lengths).reshape(shape),
        np.repeat(np.append(numbers[1:], NONE).astype(np.int32), lengths).reshape(shape),
        prefixes,
        prefix.reshape(shape),
        suffixes,
        suffix.reshape(shape),
    )


def _number_words(
    tokens: NDArray[np.uint16], begins: NDArray[np.int64], ends: NDArray[np.int64], pieces: _Pieces, words: Strings
) -> Index:
    alone = np.array([words.number(_trim(text)) for text in pieces.texts], dtype=np.int32)
    numbers: Index = alone[tokens[begins]]
    for place in np.flatnonzero(ends - begins > 1):
        ids = tokens[begins[place] : ends[place]]
        numbers[place] = words.number(_trim("".join([pieces.texts[number] for number in ids])))
    return numbers


def _trim(text: str) -> str:
    """A word without the space before it; a token of nothing but spaces or line breaks stays what it is."""
    return text.strip() or ("\n" if "\n" in text else " ")


def _parts(
    tokens: NDArray[np.uint16],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    numbers: Index,
    pieces: _Pieces,
    prefixes: Strings,
    suffixes: Strings,
) -> tuple[Index, Index]:
    prefix, suffix = np.full(len(tokens), NONE, np.int32), np.full(len(tokens), NONE, np.int32)
    for place in np.flatnonzero((ends - begins > 1) & (numbers != NONE)):
        begin, end, so_far = begins[place], ends[place], ""
        for at in range(begin, end):
            so_far += pieces.texts[tokens[at]].strip().lower()
            if at + 1 < end:
                prefix[at] = prefixes.number(so_far)
        suffix[end - 1] = suffixes.number(pieces.texts[tokens[end - 1]].lower())
    return prefix, suffix
