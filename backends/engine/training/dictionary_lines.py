"""Dictionary-style training lines: a passage, then what it is, in the wording of feature descriptions.

`<|bos|> PASSAGE <|describe|> DESCRIPTION <|eos|>`: the subject learns to write descriptions, so that the same frozen
weights can later write one when a soft prompt stands where the passage stood.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from backends.engine.training.dictionary import Dictionary, Sense
from backends.engine.training.phrasing import (
    LEXFILE_TOPICS,
    Kind,
    is_offensive_gloss,
    is_offensive_word,
    phrase,
    pluralise,
)

_TOKENS = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
_ENDINGS = (
    "ing",
    "ed",
    "ly",
    "tion",
    "ness",
    "ment",
    "able",
    "ous",
    "ity",
    "er",
    "est",
    "ful",
    "ism",
    "ist",
    "al",
    "ive",
    "s",
)
_BEGINNINGS = (
    "un",
    "re",
    "in",
    "dis",
    "con",
    "pre",
    "pro",
    "inter",
    "over",
    "under",
    "trans",
    "sub",
    "de",
    "ex",
    "com",
    "anti",
)
_PUNCTUATION = {
    ",": ("commas", "punctuation"),
    ".": ("full stops", "the end of a sentence", "punctuation"),
    "?": ("question marks", "the end of a question"),
    "!": ("exclamation marks", "exclamations"),
    ";": ("semicolons", "punctuation"),
    ":": ("colons", "punctuation"),
    "-": ("hyphens and dashes", "hyphens"),
    "—": ("dashes", "hyphens and dashes"),
    "(": ("opening brackets", "brackets and parentheses"),
    ")": ("closing brackets", "brackets and parentheses"),
    '"': ("quotation marks", "quoted speech"),
    "“": ("opening quotation marks", "quoted speech"),
    "”": ("closing quotation marks", "quoted speech"),
    "'": ("apostrophes", "contractions"),
    "’": ("apostrophes", "contractions"),
    "/": ("slashes", "paths and web addresses"),
    "=": ("equals signs", "equations and code"),
    "_": ("underscores", "names in code"),
    "$": ("dollar signs", "amounts of money"),
    "%": ("percent signs", "percentages"),
}
_CLOSED_CLASSES: dict[str, str] = {
    "pronouns": "i you he she it we they me him her us them mine yours hers ours theirs myself himself herself itself",
    "possessive words": "my your his its our their whose",
    "prepositions": "of in on at by for with from to into over under between through during against about after before",
    "articles and determiners": "the a an this that these those each every some any no",
    "conjunctions": "and or but because although while if unless since so nor yet",
    "auxiliary verbs": "is are was were be been being am have has had do does did",
    "modal verbs": "can could will would shall should may might must",
    "question words": "who what when where why how which",
    "negation": "not no never none nothing nobody neither",
    "words for quantities": "many much few several more most less all both half enough",
    "number words": "one two three four five six seven eight nine ten hundred thousand million billion",
}
CLASS_OF_WORD = {word: name for name, words in _CLOSED_CLASSES.items() for word in words.split()}
_MONTHS = frozenset("january february march april june july august september october november december".split())
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())


@dataclass(frozen=True)
class Line:
    """One training line: what is read and how it is described."""

    passage: str
    description: str


class LineWriter:
    """Writes lines from a dictionary and from words of the training split.

    `counts` are word counts of the training split: lemmas are drawn in proportion to the square root of their count
    plus a fifth, so that common words are seen often and rare ones still at times.
    """

    def __init__(self, dictionary: Dictionary, counts: Counter[str], seed: int) -> None:
        self._dictionary = dictionary
        self._draw = random.Random(f"{seed}/lines")
        self._lemmas = list(dictionary.senses)
        weights = [0.2 + counts[lemma.lower()] ** 0.5 for lemma in self._lemmas]
        self._cumulative = [0.0]
        for weight in weights:
            self._cumulative.append(self._cumulative[-1] + weight)
        del self._cumulative[0]

    def from_dictionary(self, count: int) -> Iterator[Line]:
        """About `count` lines whose passage is a lemma, a list of kin or an example sentence."""
        for lemma in self._draw.choices(self._lemmas, cum_weights=self._cumulative, k=count):
            line = self._dictionary_line(lemma)
            if line is not None and not is_offensive_word(line.passage):
                yield line

    def from_text(self, texts: list[str], count: int) -> Iterator[Line]:
        """At most `count` lines whose passage is a snippet of training text that ends in something describable."""
        made = 0
        while made < count:
            line = self._text_line(self._draw.choice(texts))
            if line is not None:
                made += 1
                yield line

    def _dictionary_line(self, lemma: str) -> Line | None:
        sense = self._sense(lemma)
        roll = self._draw.random()
        if roll < 0.25:
            return self._kin_line(sense)
        if roll < 0.45:
            return self._example_line(sense)
        passage = lemma if self._draw.random() < 0.35 else " " + lemma
        return Line(passage, self._describe(sense, lemma))

    def _sense(self, lemma: str) -> Sense:
        senses = self._dictionary.senses[lemma]
        weights = [1.0 / (place + 1) ** 2 for place in range(len(senses))]
        return self._draw.choices(senses, weights=weights)[0]

    def _kin_line(self, sense: Sense) -> Line | None:
        """A list of co-hyponyms and the kind they are, or of synonyms and what they mean."""
        names = self._dictionary.hypernyms(sense, levels=1)
        siblings = self._dictionary.siblings(sense)
        if names and len(siblings) >= 3:
            members = self._draw.sample(siblings, k=min(len(siblings), self._draw.randint(2, 8)))
            return Line(" " + ", ".join(members), self._of_kind(sense, names))
        if sense.synonyms:
            return Line(" " + ", ".join([sense.lemma, *sense.synonyms[:5]]), self._meaning(sense))
        return None

    def _example_line(self, sense: Sense) -> Line | None:
        """An example sentence cut right after the lemma."""
        if not sense.examples:
            return None
        example = self._draw.choice(sense.examples)
        found = re.search(rf"\b{re.escape(sense.lemma)}\w{{0,3}}\b", example, re.IGNORECASE)
        return Line(example[: found.end()], self._describe(sense, found.group())) if found else None

    def _describe(self, sense: Sense, surface: str) -> str:
        """A description of a word used in a sense, of a kind drawn at random among those that fit."""
        roll = self._draw.random()
        names = self._dictionary.hypernyms(sense)
        if roll < 0.24:
            return phrase(Kind.WORD, surface.lower(), self._draw)
        if roll < 0.29:
            return phrase(Kind.FORMS, sense.lemma, self._draw)
        if roll < 0.55 and names:
            return self._of_kind(sense, names)
        if roll < 0.68 and sense.lexfile in LEXFILE_TOPICS:
            return phrase(Kind.TOPIC, LEXFILE_TOPICS[sense.lexfile], self._draw)
        if roll < 0.76 and sense.synonyms:
            return phrase(Kind.SIMILAR, self._draw.choice(sense.synonyms), self._draw)
        if roll < 0.80:
            return self._affix(surface.lower()) or phrase(Kind.WORD, surface.lower(), self._draw)
        return self._meaning(sense)

    def _of_kind(self, sense: Sense, names: list[str]) -> str:
        name = names[0] if len(names) == 1 or self._draw.random() < 0.65 else self._draw.choice(names[1:])
        if sense.pos == "v":
            return phrase(Kind.WAYS, name, self._draw)
        kind = Kind.NAMES if sense.lemma[:1].isupper() and not name[:1].isupper() else Kind.MEMBERS
        return phrase(kind, pluralise(name), self._draw)

    def _meaning(self, sense: Sense) -> str:
        """The gloss, alone or inside a template when it is short."""
        gloss = sense.gloss.split(";")[0].split(" (")[0].strip()
        if len(gloss.split()) > 8 or self._draw.random() < 0.6:
            return " ".join(gloss.split()[:24])
        return phrase(Kind.MEANING, ("to " if sense.pos == "v" else "") + gloss, self._draw)

    def _affix(self, word: str) -> str | None:
        """A description of how a word ends or begins."""
        endings = [ending for ending in _ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2]
        beginnings = [start for start in _BEGINNINGS if word.startswith(start) and len(word) > len(start) + 2]
        if endings and (not beginnings or self._draw.random() < 0.6):
            return phrase(Kind.ENDING, endings[0], self._draw)
        if beginnings:
            return phrase(Kind.BEGINNING, beginnings[0], self._draw)
        return None

    def _text_line(self, text: str) -> Line | None:
        """A snippet of 1 to 12 words and a description of the last one."""
        start = self._draw.randrange(max(1, len(text) - 80))
        matches = list(_TOKENS.finditer(text, start, start + 110))[1:]
        if len(matches) < 2:
            return None
        wanted = min(self._draw.randint(1, 12), len(matches) - 1)
        last = matches[wanted]
        passage = text[matches[0].start() if wanted > 1 else last.start() : last.end()]
        if wanted == 1 or self._draw.random() < 0.4:
            passage = " " + passage
        if is_offensive_gloss(passage):
            return None
        description, end = self._describe_last(last.group(), matches[wanted - 1].group())
        if description is None:
            return None
        return Line(passage[: len(passage) - end] if end else passage, description)

    def _describe_last(self, word: str, before: str) -> tuple[str | None, int]:
        """The description of a snippet's last word, and how many of its characters to cut off."""
        lower, roll = word.lower(), self._draw.random()
        # Function words are half of all text: most of them are passed over in favour of words that carry meaning.
        if lower in CLASS_OF_WORD:
            return (self._function_word(lower, before) if roll < 0.12 else None), 0
        if not word.isalpha():
            return (self._symbol(word) if roll < 0.35 else None), 0
        lemma = self._dictionary.forms.get(word) or self._dictionary.forms.get(lower)
        if lemma is None:
            return self._unknown_word(word, lower), 0
        if roll < 0.08 and before.isalpha() and not is_offensive_word(before):
            return phrase(Kind.AFTER, before.lower(), self._draw), 0
        if roll < 0.14 and len(word) > 5:
            cut = self._draw.randint(2, len(word) - 3)
            return phrase(Kind.BEGINNING, lower[: len(word) - cut], self._draw), cut
        return self._describe(self._sense(lemma), lower), 0

    def _function_word(self, word: str, before: str) -> str:
        roll = self._draw.random()
        if roll < 0.45:
            return phrase(Kind.WORD, word, self._draw)
        if roll < 0.6 and before.isalpha() and not is_offensive_word(before):
            return phrase(Kind.AFTER, before.lower(), self._draw)
        return CLASS_OF_WORD[word]

    def _symbol(self, symbol: str) -> str:
        if symbol.isdigit():
            is_year = len(symbol) == 4 and symbol[:2] in {"17", "18", "19", "20"}
            return self._draw.choice(("years", "dates and years", "numbers") if is_year else ("numbers", "digits"))
        return self._draw.choice(_PUNCTUATION.get(symbol, ("punctuation", "symbols", f'the symbol "{symbol}"')))

    def _unknown_word(self, word: str, lower: str) -> str | None:
        if lower in _MONTHS or lower in _DAYS:
            return self._draw.choice(
                ("names of months", "dates") if lower in _MONTHS else ("days of the week", "dates")
            )
        if is_offensive_word(word):
            return None
        if word.isupper() and len(word) > 1:
            return self._draw.choice(("abbreviations and acronyms", "words in capital letters"))
        if word[0].isupper():
            return self._draw.choice(("names of people or places", "names", "capitalised names"))
        return self._affix(lower)


def count_words(texts: list[str]) -> Counter[str]:
    """Lower-cased word counts of a sample of texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(r"[a-z]+", text.lower()))
    return counts
