"""The Open English WordNet file of a corpus folder, filtered, with its hypernyms and co-members."""

import lzma
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from backends.engine.training.corpus import CorpusError
from backends.engine.training.phrasing import (
    TOO_GENERAL,
    inflections,
    is_offensive_gloss,
    is_offensive_word,
)

FILE_NAME = "dictionary.jsonl.xz"
_SINGLE_WORD_POS = {"n": "n", "v": "v", "a": "a", "s": "a", "r": "r"}


class Sense(msgspec.Struct, frozen=True):
    """One sense of one lemma."""

    lemma: str
    pos: str
    sense: int
    synset: str
    gloss: str
    hypernyms: list[str]
    hypernym_synsets: list[str]
    examples: list[str]
    synonyms: list[str]
    lexfile: str


@dataclass
class Dictionary:
    """Senses by lemma and by synset; offensive lemmas and senses are absent."""

    senses: dict[str, list[Sense]] = field(default_factory=dict)
    synsets: dict[str, list[Sense]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    offensive: set[str] = field(default_factory=set)
    """Lower-cased lemmas that were left out because some sense of theirs is marked offensive."""

    def hypernyms(self, sense: Sense, levels: int = 3) -> list[str]:
        """Names of the sense's hypernyms from near to far, without those too general to say anything."""
        names: list[str] = []
        current = sense
        for _ in range(levels):
            parents = self.synsets.get(current.hypernym_synsets[0], []) if current.hypernym_synsets else []
            if not parents:
                break
            current = parents[0]
            if current.lemma.lower() not in TOO_GENERAL:
                names.append(current.lemma)
        return names

    def siblings(self, sense: Sense) -> list[str]:
        """Lemmas under the same first hypernym (co-hyponyms), one a synset."""
        if not sense.hypernym_synsets:
            return []
        children = self.children.get(sense.hypernym_synsets[0], [])
        return [self.synsets[child][0].lemma for child in children if child in self.synsets]


def _offensive_lemmas(senses: list[Sense]) -> set[str]:
    """Lemmas with any sense marked offensive: the word itself is then kept out, whatever sense is meant."""
    marked = ("slur", "offensive", "disparag", "derogat", "obscen", "vulgar", "taboo", "pejorativ")
    return {sense.lemma.lower() for sense in senses if any(mark in sense.gloss.lower() for mark in marked)} - {
        "vulgar",
        "offensive",
    }


def build_dictionary(senses: list[Sense]) -> Dictionary:
    """Index the senses, leaving out every offensive lemma and every sense with an offensive gloss."""
    offensive = _offensive_lemmas(senses)
    dictionary = Dictionary(offensive=offensive)
    for sense in senses:
        if sense.lemma.lower() in offensive or is_offensive_word(sense.lemma) or is_offensive_gloss(sense.gloss):
            continue
        clean = [word for word in sense.synonyms if word.lower() not in offensive and not is_offensive_word(word)]
        examples = [text for text in sense.examples if not is_offensive_gloss(text)]
        sense = msgspec.structs.replace(sense, synonyms=clean, examples=examples)
        dictionary.senses.setdefault(sense.lemma, []).append(sense)
        dictionary.synsets.setdefault(sense.synset, []).append(sense)
    for synset, members in dictionary.synsets.items():
        for parent in members[0].hypernym_synsets[:1]:
            dictionary.children.setdefault(parent, []).append(synset)
    for lemma, entries in dictionary.senses.items():
        entries.sort(key=lambda entry: (entry.sense, entry.pos))
        _add_forms(dictionary.forms, lemma, entries)
    return dictionary


def _add_forms(forms: dict[str, str], lemma: str, entries: list[Sense]) -> None:
    if not lemma.isalpha() or len(lemma) < 3:
        return
    for entry in entries:
        for form in inflections(lemma, _SINGLE_WORD_POS.get(entry.pos, "r")):
            # A lemma's own spelling wins over another lemma's inflection ("found" before find's forms).
            if form == lemma or form not in forms:
                forms[form] = lemma


def load_dictionary(corpus: Path) -> Dictionary:
    """Read and filter the corpus folder's dictionary; raises CorpusError when it is missing or damaged."""
    path = corpus / FILE_NAME
    decoder = msgspec.json.Decoder(Sense)
    try:
        with lzma.open(path, "rb") as lines:
            senses = [decoder.decode(line) for line in lines]
    except (OSError, lzma.LZMAError, EOFError, msgspec.DecodeError) as error:
        raise CorpusError(f"{path} cannot be read as a dictionary ({error}). Fetch the corpus again.") from error
    return build_dictionary(senses)
