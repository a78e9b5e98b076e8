"""Terms of a sum, and the source they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from investigator.sources import Difference, Source, Sum, Weighted


class Term(NamedTuple):
    """One term of a sum, and whether its weight was written."""

    weight: float
    source: Source
    weighted: bool


def summed(terms: Sequence[Term]) -> Source:
    """Return what terms make: one source alone is itself, one minus another their difference, else a sum."""
    if len(terms) == 1 and terms[0].weight == 1 and not terms[0].weighted:
        return terms[0].source
    if len(terms) == 2 and [term.weight for term in terms] == [1, -1] and not any(term.weighted for term in terms):
        return Difference(terms[0].source, terms[1].source)
    return Sum(tuple(Weighted(term.weight, term.source) for term in terms))
