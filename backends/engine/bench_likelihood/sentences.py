"""Label-like sentences from a workbench's own labels and vocabulary, by a seeded recipe."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

COUNT = 65536
SEED = 4
_LINKS = (" and", " or", " before", " after", " near", " in texts about", " rather than", " as in")
_OPENINGS = ("references to", "names of", "mentions of", "talk of", "signs of", "parts of")
_CLOSINGS = (" in {} texts", " of a {}", " with {}", ", mostly {}", " at the start of {}", " told by {}")
_WORD = re.compile(r"[a-z]{3,12}")
_OPENING = re.compile(r'^([^"]{3,40}?) ?"')


def sentences(labels: Sequence[str], tokenizer: Any, *, count: int = COUNT, seed: int = SEED) -> list[str]:
    """Return distinct sentences: an opening, a word, a link, a second word and a closing.

    Openings are the labels' own, up to their first quoted word, and a few more; words are the vocabulary's whole ones.
    """
    rng = random.Random(seed)
    found = {found[1] for label in labels if (found := _OPENING.match(label))}
    openings = [*sorted(found), *_OPENINGS]
    words = _words(tokenizer)
    made: dict[str, None] = {}
    while len(made) < count:
        closing = rng.choice(_CLOSINGS).format(rng.choice(words))
        made[f"{rng.choice(openings)} {rng.choice(words)}{rng.choice(_LINKS)} {rng.choice(words)}{closing}"] = None
    return list(made)


def _words(tokenizer: Any) -> list[str]:
    """Return the vocabulary's entries that are whole words after a space."""
    pieces = (piece[1:] for piece in tokenizer.get_vocab() if piece[:1] in ("\u0120", "\u2581"))
    return sorted(piece for piece in pieces if _WORD.fullmatch(piece)) or ["word", "text", "name"]
