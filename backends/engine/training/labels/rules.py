"""The rules, in the order in which they are asked: what stands at the place, then around it, then what it is."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.labels.candidates import Candidate
from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.kinds import class_rule, kind_rule, topic_rule
from backends.engine.training.labels.spelling import shared_spelling_rule
from backends.engine.training.labels.surroundings import surroundings_rule
from backends.engine.training.labels.tables import Tables
from backends.engine.training.phrasing import Kind, phrase

Rule = Callable[[Evidence, Tables], Iterator[Candidate]]


def shares_of(masses: NDArray[np.float64], names: list[str], count: int = 5) -> dict[str, float]:
    """The heaviest values by name, for the record."""
    order = np.argsort(-masses, kind="stable")[:count]
    return {names[place]: round(float(masses[place]), 3) for place in order if masses[place] > 0}


def _heaviest(masses: NDArray[np.float64], count: int = 2) -> list[int]:
    order = np.argsort(-masses, kind="stable")[:count]
    return [int(place) for place in order if masses[place] > 0]


def _is_word(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _can_be_quoted(text: str) -> bool:
    """Whether a word looks like itself between quotation marks (half a character, a space or a quote does not)."""
    return bool(text.strip()) and text.isprintable() and not set(text) & {'"', "\ufffd"}


def word_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """One word, its forms, or two words."""
    lexicon = tables.lexicon
    masses = evidence.masses("word", len(lexicon.lowers), lexicon.lower)
    words = shares_of(masses, lexicon.lowers)
    best = [place for place in _heaviest(masses) if _is_word(lexicon.lowers[place])]
    if not best:
        return
    yield from _forms(evidence, tables, words, float(masses[best[0]]))
    single, pair = (_words(tables, masses, best[:count], words) for count in (1, 2))
    # Two words that share the activation are named together even where the first would do alone.
    even = len(best) == 2 and masses[best[1]] >= 0.5 * masses[best[0]]
    yield from (found for found in ((pair, single) if even else (single, pair)) if found is not None)


def _words(tables: Tables, masses: NDArray[np.float64], best: list[int], words: dict[str, float]) -> Candidate | None:
    """A candidate that names one or two words, where they have the share that is asked for."""
    lexicon, settings = tables.lexicon, tables.settings
    names = [lexicon.lowers[place] for place in best]
    members = np.sort(np.concatenate([tables.words_of_lower(place) for place in best]))
    share, base = float(masses[best].sum()), tables.base_of("word", members)
    head = _head(tables, best[0])
    if len(best) == 1:
        enough, rule, text = share >= settings.word_share, "word", phrase(Kind.WORD, names[0])
    else:
        enough = share >= settings.pair_share and float(masses[best].min()) >= settings.pair_least
        rule, text = "words", f'the words "{names[0]}" and "{names[1]}"'
    return Candidate(rule, text, head, "word", members, share, base, words) if enough else None


def _head(tables: Tables, lower: int) -> str:
    """The lemma of a lower-cased word, so that a word and its forms have one head."""
    lemma = int(tables.lexicon.lemma[tables.words_of_lower(lower)[0]])
    return tables.lexicon.lemmas[lemma].lower() if lemma >= 0 else tables.lexicon.lowers[lower]


def _forms(evidence: Evidence, tables: Tables, words: dict[str, float], word_share: float) -> Iterator[Candidate]:
    """Forms of one lemma, where no single form has nearly all of its weight."""
    lexicon, settings = tables.lexicon, tables.settings
    if not lexicon.lemmas:
        return
    masses = evidence.masses("word", len(lexicon.lemmas), lexicon.family)
    best = int(np.argmax(masses))
    share = float(masses[best])
    if share >= settings.word_share and share - word_share >= settings.forms_gain:
        members, lemma = tables.words_of_family(best), lexicon.lemmas[best]
        base = tables.base_of("word", members)
        yield Candidate("forms", phrase(Kind.FORMS, lemma), lemma.lower(), "word", members, share, base, words)


def affix_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """A shared end or beginning of words, where the latent fires inside words."""
    for field, strings, kind in (
        ("suffix", tables.fields.suffixes, Kind.ENDING),
        ("prefix", tables.fields.prefixes, Kind.BEGINNING),
    ):
        masses = evidence.masses(field, len(strings.texts))
        best = int(np.argmax(masses)) if len(masses) else 0
        if len(masses) and masses[best] >= tables.settings.affix_share and _is_word(strings.texts[best]):
            members = np.array([best], dtype=np.int32)
            text, share = strings.texts[best], float(masses[best])
            base = tables.base_of(field, members)
            found = shares_of(masses, strings.texts)
            yield Candidate(str(kind), phrase(kind, text), text, field, members, share, base, found)


def neighbour_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """One word before, or one word after."""
    lexicon, settings = tables.lexicon, tables.settings
    for field, kind in (("previous", Kind.AFTER), ("following", Kind.BEFORE)):
        masses = evidence.masses(field, len(lexicon.lowers), lexicon.lower)
        for best in _heaviest(masses, 1):
            members = tables.words_of_lower(best)
            share, base = float(masses[best]), tables.base_of(field, members)
            text = lexicon.lowers[best]
            if (
                _can_be_quoted(text)
                and share >= settings.neighbour_share
                and share / max(base, 1e-6) >= settings.least_lift
            ):
                found = shares_of(masses, lexicon.lowers)
                yield Candidate(str(kind), phrase(kind, text), text, field, members, share, base, found)


def spelling_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """Words first, then their parts, unless a part clearly holds for more of the activation than any word.

    A latent that fires on the beginning of "campbell" cannot know the rest of the word.
    """
    words, parts = list(word_rule(evidence, tables)), list(affix_rule(evidence, tables))
    most = max((found.share for found in words), default=0.0)
    first = [found for found in parts if found.share >= most + tables.settings.affix_gain]
    yield from first
    yield from words
    yield from (found for found in parts if found.share < most + tables.settings.affix_gain)


RULES: tuple[Rule, ...] = (
    spelling_rule,
    class_rule,
    kind_rule,
    neighbour_rule,
    shared_spelling_rule,
    surroundings_rule,
    topic_rule,
)


def candidates(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """All candidates of all rules, the preferred first."""
    for rule in RULES:
        yield from rule(evidence, tables)
