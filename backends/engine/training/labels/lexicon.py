"""What the dictionary and plain spelling say of every word of the passages: lemma, kinds, classes."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backends.engine.training.dictionary import Dictionary, Sense
from backends.engine.training.dictionary_lines import CLASS_OF_WORD
from backends.engine.training.labels.words import NONE
from backends.engine.training.phrasing import LEXFILE_TOPICS, TOO_GENERAL, inflections, is_offensive_word

# A word counts as being of a kind when at least this share of its senses (earlier ones weigh more) is of that kind.
_SENSE_SHARE = 0.35
_LEVELS = 5
# Hypernyms that no one would use of their members, beside those that say nothing.
_SAY_LITTLE = frozenset({"doer", "action", "civil day", "organisation", "assemblage", "creation", "work"})
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_SYMBOLS = {
    ",": "commas",
    ".": "full stops",
    "?": "question marks",
    "!": "exclamation marks",
    ";": "semicolons",
    ":": "colons",
    "-": "hyphens",
    "—": "dashes",
    "–": "dashes",
    "(": "opening brackets",
    ")": "closing brackets",
    '"': "quotation marks",
    "“": "opening quotation marks",
    "”": "closing quotation marks",
    "'": "apostrophes",
    "’": "apostrophes",
    "/": "slashes",
    "=": "equals signs",
    "_": "underscores",
    "$": "dollar signs",
    "%": "percent signs",
    "\n": "line breaks",
}
IRREGULAR_VERBS = {
    "say": "said", "go": "went gone goes", "take": "took taken", "come": "came", "see": "saw seen",
    "know": "knew known",
    "get": "got gotten", "give": "gave given", "find": "found", "think": "thought", "tell": "told", "become": "became",
    "leave": "left", "feel": "felt", "bring": "brought", "begin": "began begun beginning", "keep": "kept",
    "hold": "held", "write": "wrote written", "stand": "stood", "hear": "heard", "let": "letting", "mean": "meant",
    "set": "setting", "meet": "met", "run": "ran running", "pay": "paid", "sit": "sat sitting", "speak": "spoke spoken",
    "lie": "lay lain lying", "lead": "led", "grow": "grew grown", "lose": "lost", "fall": "fell fallen", "send": "sent",
    "build": "built", "understand": "understood", "draw": "drew drawn", "break": "broke broken", "spend": "spent",
    "cut": "cutting", "rise": "rose risen", "drive": "drove driven", "buy": "bought", "wear": "wore worn",
    "choose": "chose chosen", "eat": "ate eaten", "win": "won winning", "fight": "fought", "teach": "taught",
    "catch": "caught", "sell": "sold", "throw": "threw thrown", "put": "putting", "make": "made", "sing": "sang sung",
    "fly": "flew flown", "drink": "drank drunk", "sleep": "slept", "swim": "swam swum swimming", "forget": "forgot",
}  # fmt: skip
_MONTHS = frozenset("january february march april june july august september october november december".split())
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())


@dataclass
class Lexicon:
    """Groups of word numbers by what they have in common."""

    texts: list[str]
    lower: NDArray[np.int32]
    """For each word the number of its lower-cased spelling in `lowers`."""
    lowers: list[str]
    lemma: NDArray[np.int32]
    """For each word the number of its lemma in `lemmas`, -1 for words that the dictionary does not have."""
    lemmas: list[str]
    content: NDArray[np.bool_]
    """Whether the word's lemma is a noun that can name a topic."""
    family: NDArray[np.int32]
    """For each word the number in `lemmas` of the verb that it is a form of ("saying": "say"), else of its lemma."""
    kinds: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    """(part of speech, hypernym) to the words of that kind."""
    topics: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Topic of a lexicographer file to its words."""
    classes: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Name of a class of words or symbols to its members."""


def _families(
    texts: list[str], lemma: NDArray[np.int32], lemmas: list[str], dictionary: Dictionary
) -> NDArray[np.int32]:
    """A noun that is spelled like a form of a verb joins that verb's forms, irregular ones too."""
    places = {name: place for place, name in enumerate(lemmas)}
    verbs = {name for name in lemmas if any(sense.pos == "v" for sense in dictionary.senses.get(name, []))}
    forms = {form: name for name in verbs for form in inflections(name, "v")[1:]}
    forms |= {form: name for name, found in IRREGULAR_VERBS.items() for form in found.split() if name in verbs}
    found = [places.get(forms.get(text.lower(), ""), -1) for text in texts]
    return np.where(np.array(found) >= 0, found, lemma).astype(np.int32)


class Commonness:
    """How common a lemma is in the passages: the dictionary does not say which of its synonyms people use."""

    def __init__(self, texts: list[str], counts: NDArray[np.int64]) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        for text, count in zip(texts, counts.tolist(), strict=True):
            self._counts[text.lower()] += count

    def of(self, lemma: str) -> float:
        """Count of a lemma, of its rarest word where it has several; an abbreviation or a name counts nothing."""
        if lemma != lemma.lower():
            return 0.0
        return min(self._counts[word] for word in lemma.split()) / len(lemma.split())


def _numbered(texts: list[str | None]) -> tuple[NDArray[np.int32], list[str]]:
    seen: dict[str, int] = {}
    numbers = [NONE if text is None else seen.setdefault(text, len(seen)) for text in texts]
    return np.array(numbers, dtype=np.int32), list(seen)


def _lemma(dictionary: Dictionary, text: str) -> str | None:
    lower = text.lower()
    # A capitalised word is its own entry first ("Paris", "May"); every other spelling is looked up in lower case.
    return dictionary.forms.get(text) or dictionary.forms.get(lower) or (lower if lower in dictionary.senses else None)


def build_lexicon(texts: list[str], counts: NDArray[np.int64], dictionary: Dictionary) -> Lexicon:
    """Sort the words into lemmas, kinds, topics and classes; `counts` says how often each word is found."""
    lower, lowers = _numbered([text.lower() for text in texts])
    found = [_lemma(dictionary, text) if text.isalpha() else None for text in texts]
    lemma, lemmas = _numbered(found)
    family = _families(texts, lemma, lemmas, dictionary)
    lexicon = Lexicon(texts, lower, lowers, lemma, lemmas, np.zeros(len(texts), bool), family)
    commonness = Commonness(texts, counts)
    for number, (text, entry) in enumerate(zip(texts, found, strict=True)):
        if entry is not None and text.lower() not in CLASS_OF_WORD:
            _add_senses(lexicon, dictionary, commonness, number, entry)
        for name in _classes(text, entry is not None):
            lexicon.classes[name].add(number)
    return lexicon


def _add_senses(lexicon: Lexicon, dictionary: Dictionary, commonness: Commonness, number: int, lemma: str) -> None:
    senses = dictionary.senses.get(lemma, [])
    total = sum(1 / (place + 1) ** 1.5 for place in range(len(senses)))
    kinds: dict[tuple[str, str], float] = defaultdict(float)
    topics: dict[str, float] = defaultdict(float)
    for place, sense in enumerate(senses):
        weight = 1 / (place + 1) ** 1.5 / total
        for name in set(_ancestors(dictionary, commonness, sense)):
            kinds[_part(sense.pos), name] += weight
        if sense.lexfile in LEXFILE_TOPICS:
            topics[LEXFILE_TOPICS[sense.lexfile]] += weight
    for kind in (kind for kind, share in kinds.items() if share >= _SENSE_SHARE):
        lexicon.kinds[kind].add(number)
    for topic in (topic for topic, share in topics.items() if share >= _SENSE_SHARE):
        lexicon.topics[topic].add(number)
    lexicon.content[number] = len(lemma) > 3 and bool(senses) and senses[0].pos == "n"


def _part(pos: str) -> str:
    return "a" if pos == "s" else pos


def _ancestors(dictionary: Dictionary, commonness: Commonness, sense: Sense) -> list[str]:
    """Hypernyms from near to far, each by its commonest name; the names that say nothing are left out."""
    names: list[str] = []
    for _ in range(_LEVELS):
        parents = dictionary.synsets.get(sense.hypernym_synsets[0], []) if sense.hypernym_synsets else []
        if not parents:
            break
        sense = parents[0]
        # A name that first means something else misleads: "actor" for whoever does something.
        fitting = [parent.lemma for parent in parents if dictionary.senses[parent.lemma][0].synset == sense.synset]
        general = any(parent.lemma.lower() in TOO_GENERAL | _SAY_LITTLE for parent in parents)
        if fitting and not general:
            names.append(max(fitting, key=commonness.of))
    return names


def _classes(text: str, known: bool) -> list[str]:
    lower = text.lower()
    names = [CLASS_OF_WORD[lower]] if lower in CLASS_OF_WORD else []
    if text in _SYMBOLS:
        names.append(_SYMBOLS[text])
    elif not text.strip():
        return ["spaces"]
    elif not text[0].isalnum():
        names.append(f'the symbol "{text}"' if text.isprintable() and text.strip() and len(text) < 5 else "symbols")
    if not text[0].isalnum() and text not in {"\n", " "}:
        names.append("punctuation")
    if text.isdigit():
        names += ["numbers", *(["years"] if _YEAR.fullmatch(text) else []), *(["digits"] if len(text) == 1 else [])]
    if lower in _MONTHS | _DAYS and text[0].isupper():
        names.append("names of months" if lower in _MONTHS else "days of the week")
    return names + _case_classes(text, known)


def _case_classes(text: str, known: bool) -> list[str]:
    if not text.isalpha() or is_offensive_word(text):
        return []
    if text.isupper() and len(text) > 1:
        return ["words in capital letters"]
    if text[0].isupper() and len(text) > 1:
        return ["capitalised names"] if known else ["capitalised names", "names of people or places"]
    return []
