"""The rule about what the text is about: content words that stand around the places far more often than elsewhere."""

from collections.abc import Iterator

import numpy as np

from backends.engine.training.labels.candidates import Candidate
from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.tables import Tables, lemma_presence
from backends.engine.training.phrasing import is_offensive_word

# Words that name the topic; more are used to test for it.
_NAMED, _TESTED = 2, 8


def surroundings_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """`text about X and Y`: the two most telling lemmas around, tested by the eight most telling."""
    settings, lexicon = tables.settings, tables.lexicon
    present = lemma_presence(evidence, lexicon)
    lift = np.maximum(present, 1e-9) / np.maximum(tables.base_presence, 1e-4)
    worth = np.where((present >= settings.around_least) & (lift >= settings.around_lift), present * np.log(lift), 0.0)
    best = [int(place) for place in np.argsort(-worth, kind="stable")[:_TESTED] if worth[place] > 0]
    best = [place for place in best if _in_many_documents(evidence, tables, place)]
    if len(best) < _NAMED:
        return
    members = np.flatnonzero(np.isin(lexicon.lemma, best)).astype(np.int32)
    share = evidence.share("around", members)
    if share >= settings.around_share and not any(is_offensive_word(lexicon.lemmas[place]) for place in best[:_NAMED]):
        words = {lexicon.lemmas[place]: round(float(present[place]), 3) for place in best}
        first, second = (lexicon.lemmas[place] for place in best[:_NAMED])
        base = tables.base_around(members)
        yield Candidate(
            "around", f"text about {first} and {second}", first.lower(), "around", members, share, base, words
        )


def _in_many_documents(evidence: Evidence, tables: Tables, lemma: int) -> bool:
    """Whether the lemma is found in several documents: one book's hero is no topic."""
    has = (tables.lexicon.lemma[evidence.fields["around"]] == lemma).any(1)
    return len(np.unique(evidence.documents[has])) >= tables.settings.around_documents
