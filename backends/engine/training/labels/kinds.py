"""Rules about what the words are: kinds from the dictionary, classes from spelling, topics of whole word fields."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.labels.candidates import Candidate
from backends.engine.training.labels.evidence import Evidence
from backends.engine.training.labels.tables import Group, Tables
from backends.engine.training.phrasing import Kind, phrase, pluralise


def _words(evidence: Evidence, tables: Tables, members: NDArray[np.int32], count: int = 6) -> dict[str, float]:
    """The members found at the places, heaviest first, lower-cased."""
    lexicon = tables.lexicon
    masses = evidence.masses("word", len(lexicon.texts))
    inside = np.zeros_like(masses)
    inside[members] = masses[members]
    by_lower = np.bincount(lexicon.lower, weights=inside, minlength=len(lexicon.lowers))
    order = np.argsort(-by_lower, kind="stable")[:count]
    return {lexicon.lowers[place]: round(float(by_lower[place]), 3) for place in order if by_lower[place] > 0}


def _scored(evidence: Evidence, tables: Tables, rule: str, least: float) -> list[tuple[float, float, Group]]:
    """(worth, share, group) of the groups of a rule with enough share and lift, best first.

    Worth is share times log lift: a kind that is too wide gains share but loses lift.
    """
    masses = tables.group_masses(evidence.masses("word", len(tables.lexicon.texts)))
    found = []
    for number in np.flatnonzero(masses >= least):
        group, share = tables.groups[number], float(masses[number])
        lift = share / max(group.base, 1e-6)
        if group.rule == rule and lift >= tables.settings.least_lift:
            found.append((share * math.log(lift), share, group))
    return sorted(found, key=lambda entry: (-entry[0], entry[2].name))


def _different_words(evidence: Evidence, tables: Tables, members: NDArray[np.int32]) -> int:
    """Number of distinct lemmas among the members found."""
    inside = evidence.fields["word"][np.isin(evidence.fields["word"], members)]
    return len(np.unique(tables.lexicon.lemma[inside]))


def phrase_kind(group: Group, plural_also: str = "") -> str:
    """The wording of one kind, or of two nouns' kinds together."""
    if group.part == "v":
        return phrase(Kind.WAYS, group.name + (f" or {plural_also}" if plural_also else ""))
    subject = pluralise(group.name) + (f" and {pluralise(plural_also)}" if plural_also else "")
    return phrase(Kind.MEMBERS, subject)


def kind_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """A hypernym that most words share, or two that do together."""
    settings = tables.settings
    scored = [
        entry
        for entry in _scored(evidence, tables, "kind", settings.pair_least)
        if _different_words(evidence, tables, entry[2].members) >= settings.kind_words
    ]
    for _, share, group in scored[:4]:
        if share >= settings.kind_share:
            yield _kind_candidate(evidence, tables, group, share)
    for place, (_, _, first) in enumerate(scored[:4]):
        yield from _pairs(evidence, tables, first, [group for _, _, group in scored[place + 1 : place + 8]])


def _kind_candidate(evidence: Evidence, tables: Tables, group: Group, share: float) -> Candidate:
    words = _words(evidence, tables, group.members)
    return Candidate("kind", phrase_kind(group), group.name, "word", group.members, share, group.base, words)


def _pairs(evidence: Evidence, tables: Tables, first: Group, others: list[Group]) -> Iterator[Candidate]:
    """The first kind with another one that adds words of its own."""
    settings = tables.settings
    alone = evidence.share("word", first.members)
    for second in others:
        if second.part != first.part or second.name == first.name:
            continue
        members = np.union1d(first.members, second.members).astype(np.int32)
        share, base = evidence.share("word", members), tables.base_of("word", members)
        if (
            share >= settings.kind_share
            and share - alone >= settings.pair_least
            and share / base >= settings.least_lift
        ):
            words = _words(evidence, tables, members)
            yield Candidate("kinds", phrase_kind(first, second.name), first.name, "word", members, share, base, words)
            return


def class_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """A class of words or symbols: pronouns, numbers, commas, names, ..."""
    for _, share, group in _scored(evidence, tables, "class", tables.settings.class_share):
        words = _words(evidence, tables, group.members)
        yield Candidate("class", group.name, group.name, "word", group.members, share, group.base, words)


def topic_rule(evidence: Evidence, tables: Tables) -> Iterator[Candidate]:
    """A whole word field of the dictionary: food and drink, feelings, body parts, ..."""
    for _, share, group in _scored(evidence, tables, "topic", tables.settings.topic_share):
        words = _words(evidence, tables, group.members)
        text = phrase(Kind.TOPIC, group.name)
        yield Candidate("topic", text, group.name, "word", group.members, share, group.base, words)
