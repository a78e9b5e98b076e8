"""Label-like sentences from a workbench's own labels and vocabulary, by a seeded recipe."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

COUNT = 65536
SEED = 4
# So many quoted ones keep 0.6 of all tokens distinct beginnings: quoted words break into pieces, which are shared.
_QUOTED = 0.25
_JOINTS = ("and", "or", "before", "after", "near", "not")
_LINKS = (" and", " or", " before", " after", " near", " in texts about", " rather than", " as in")
_OPENINGS = ("references to", "names of", "mentions of", "talk of", "signs of", "parts of")
_CLOSINGS = (" in {} texts", " of a {}", " with {}", ", mostly {}", " at the start of {}", " told by {}")
_WORD = re.compile(r"[a-z]{3,12}")
_OPENING = re.compile(r'^([^"]{3,40}?) ?"')


def sentences(labels: Sequence[str], tokenizer: Any, *, count: int = COUNT, seed: int = SEED) -> list[str]:
    """Return distinct sentences: the labels themselves, then made ones up to `count`.

    A made one is an opening, a word, a link and a second word: one in four with both words quoted as the labels have
    them, the others plain, with a closing. Openings are the labels' own, up to their first quoted word, and a few more;
    words are the vocabulary's whole ones, drawn evenly.
    """
    rng = random.Random(seed)
    found = sorted({found[1] for label in labels if (found := _OPENING.match(label))}) or list(_OPENINGS)
    words = _words(tokenizer)
    made = dict.fromkeys(labels[:count])
    while len(made) < count:
        quoted = rng.random() < _QUOTED
        made[_quoted(rng, found, words) if quoted else _plain(rng, [*found, *_OPENINGS], words)] = None
    return list(made)


def _quoted(rng: random.Random, openings: list[str], words: list[str]) -> str:
    return f'{rng.choice(openings)} "{rng.choice(words)}" {rng.choice(_JOINTS)} "{rng.choice(words)}"'


def _plain(rng: random.Random, openings: list[str], words: list[str]) -> str:
    closing = rng.choice(_CLOSINGS).format(rng.choice(words))
    return f"{rng.choice(openings)} {rng.choice(words)}{rng.choice(_LINKS)} {rng.choice(words)}{closing}"


def _words(tokenizer: Any) -> list[str]:
    """Return the vocabulary's entries that are whole words after a space."""
    pieces = (piece[1:] for piece in tokenizer.get_vocab() if piece[:1] in ("\u0120", "\u2581"))
    return sorted(piece for piece in pieces if _WORD.fullmatch(piece)) or ["word", "text", "name"]
