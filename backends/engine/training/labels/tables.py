"""What every rule looks up: the fields, the lexicon, and how common each value is over all tokens."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.lexicon import Lexicon
from backends.engine.training.labels.words import Fields
from backends.engine.training.recipe import LabelsRecipe


@dataclass(frozen=True)
class Group:
    """A named set of words that a rule may find: a kind, a topic or a class."""

    rule: str
    name: str
    part: str
    """Part of speech of a kind; empty for topics and classes."""
    members: NDArray[np.int32]
    base: float
    """Share of all tokens whose word is a member."""


class Spellings:
    """Groups of lower-cased words by their first or last letters."""

    def __init__(self, lowers: list[str], length: int, *, end: bool) -> None:
        parts = [_part(text, length, end=end) for text in lowers]
        self.names = sorted({part for part in parts if part})
        places = {name: place for place, name in enumerate(self.names)}
        self.of_lower = np.array([places.get(part, -1) for part in parts], dtype=np.int32)

    def masses(self, lower_masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of every group, given the weight of every lower-cased word."""
        known = self.of_lower >= 0
        return np.bincount(self.of_lower[known], weights=lower_masses[known], minlength=len(self.names)).astype(
            np.float64
        )


def _part(text: str, length: int, *, end: bool) -> str:
    """The first or last letters of a word of more than so many letters."""
    if not text.isalpha() or len(text) <= length:
        return ""
    return text[-length:] if end else text[:length]


@dataclass(frozen=True)
class Tables:
    """Everything but the latent's own evidence."""

    settings: LabelsRecipe
    fields: Fields
    lexicon: Lexicon
    base: dict[str, NDArray[np.float64]]
    """For word, previous, following, prefix and suffix: each value's share of all tokens."""
    groups: list[Group]
    group_words: NDArray[np.int32]
    """Pairs (word, group) in two rows: which words are members of which groups."""
    anywhere: Evidence
    """Places drawn from all tokens."""
    base_presence: NDArray[np.float64]
    """For every lemma the share of those places that have it around them."""
    known_spellings: dict[tuple[int, bool], Spellings] = field(default_factory=dict)

    def base_of(self, field: str, members: NDArray[np.int32]) -> float:
        """Share of all tokens whose field is among the members."""
        return float(self.base[field][members].sum())

    def base_around(self, members: NDArray[np.int32]) -> float:
        """Share of all places with one of the members around them."""
        return self.anywhere.share("around", members)

    def words_of_lower(self, lower: int) -> NDArray[np.int32]:
        """All spellings of a lower-cased word."""
        return np.flatnonzero(self.lexicon.lower == lower).astype(np.int32)

    def words_of_family(self, lemma: int) -> NDArray[np.int32]:
        """All words that are forms of a lemma."""
        return np.flatnonzero(self.lexicon.family == lemma).astype(np.int32)

    def spellings(self, length: int, *, end: bool) -> Spellings:
        """Words by so many first or last letters, made when first asked for."""
        key = (length, end)
        if key not in self.known_spellings:
            self.known_spellings[key] = Spellings(self.lexicon.lowers, length, end=end)
        return self.known_spellings[key]

    def group_masses(self, word_masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of every group, given the weight of every word."""
        words, groups = self.group_words
        return np.bincount(groups, weights=word_masses[words], minlength=len(self.groups)).astype(np.float64)


def lemma_presence(evidence: Evidence, lexicon: Lexicon) -> NDArray[np.float64]:
    """For every lemma the weighted share of places that have it among the content words around them."""
    around = evidence.fields["around"]
    lemmas = np.sort(np.where((around >= 0) & lexicon.content[around], lexicon.lemma[around], -1), axis=1)
    fresh = (lemmas >= 0) & np.concatenate([np.ones((len(lemmas), 1), bool), lemmas[:, 1:] != lemmas[:, :-1]], axis=1)
    weights = np.broadcast_to(evidence.weights[:, None], lemmas.shape)
    return np.bincount(lemmas[fresh], weights=weights[fresh], minlength=len(lexicon.lemmas)).astype(np.float64)


def _shares(values: NDArray[np.int32], size: int, tokens: int) -> NDArray[np.float64]:
    return np.bincount(values[values >= 0], minlength=size) / tokens


def build_tables(fields: Fields, lexicon: Lexicon, anywhere: Evidence, settings: LabelsRecipe) -> Tables:
    """Count every field over all tokens and number the groups that have enough members."""
    tokens = int((fields.word >= 0).sum())
    words = len(lexicon.texts)
    base = {
        "word": _shares(fields.word, words, tokens),
        "previous": _shares(fields.previous, words, tokens),
        "following": _shares(fields.following, words, tokens),
        "prefix": _shares(fields.prefix, len(fields.prefixes.texts), tokens),
        "suffix": _shares(fields.suffix, len(fields.suffixes.texts), tokens),
    }
    named = [
        *(("kind", name, part, found) for (part, name), found in lexicon.kinds.items() if len(found) >= 4),
        *(("topic", name, "", found) for name, found in lexicon.topics.items()),
        *(("class", name, "", found) for name, found in lexicon.classes.items()),
    ]
    groups, pairs = [], []
    for number, (rule, name, part, found) in enumerate(named):
        members = np.array(sorted(found), dtype=np.int32)
        groups.append(Group(rule, name, part, members, float(base["word"][members].sum())))
        pairs.append(np.stack([members, np.full(len(members), number, dtype=np.int32)]))
    table = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int32)
    presence = lemma_presence(anywhere, lexicon)
    return Tables(settings, fields, lexicon, base, groups, table, anywhere, presence)
