"""The rule about how whole words are spelled: a beginning or an ending that many of them share."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.labels.candidates import Candidate
from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.tables import Spellings, Tables
from backends.engine.training.phrasing import Kind, phrase

_LONGEST, _SHORTEST = 6, 2


def shared_spelling_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """The longest beginning, and the longest ending, that has the share that is asked for."""
    lexicon = tables.lexicon
    masses = evidence.masses("word", len(lexicon.lowers), lexicon.lower)
    found = [_longest(masses, tables, end=end) for end in (True, False)]
    yield from sorted((one for one in found if one is not None), key=lambda one: -one.share)


def _longest(masses: NDArray[np.float64], tables: Tables, *, end: bool) -> Candidate | None:
    for length in range(_LONGEST, _SHORTEST - 1, -1):
        groups = tables.spellings(length, end=end)
        weights = groups.masses(masses)
        best = int(weights.argmax()) if len(weights) else 0
        if len(weights) and weights[best] >= tables.settings.affix_share:
            return _candidate(masses, tables, groups, best, end=end)
    return None


def _candidate(
    masses: NDArray[np.float64], tables: Tables, groups: Spellings, best: int, *, end: bool
) -> Candidate | None:
    """The candidate of one beginning or ending, where several words make it up and it is no commonplace."""
    lexicon, text = tables.lexicon, groups.names[best]
    lowers = np.flatnonzero(groups.of_lower == best)
    order = lowers[np.argsort(-masses[lowers], kind="stable")]
    share = float(masses[lowers].sum())
    members = np.flatnonzero(np.isin(lexicon.lower, lowers)).astype(np.int32)
    base = tables.base_of("word", members)
    several = (masses[order] > 0).sum() >= tables.settings.kind_words and masses[order[0]] < 0.8 * share
    if not several or share < tables.settings.least_lift * base:
        return None
    words = {lexicon.lowers[place]: round(float(masses[place]), 3) for place in order[:6] if masses[place] > 0}
    kind = Kind.ENDING if end else Kind.BEGINNING
    wording = f'words that end in "{text}"' if end else phrase(kind, text)
    return Candidate(f"words-{kind}", wording, text, "word", members, share, base, words)
