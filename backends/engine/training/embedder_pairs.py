"""Pairs of texts that belong together: neighbours in a document, words and their glosses, passages and descriptions."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from backends.engine.training.dictionary import Dictionary, load_dictionary
from backends.engine.training.folders import Folders
from backends.engine.training.rows import write_training_lines
from backends.engine.training.splits import read_train

TextPair = tuple[str, str]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_SHORTEST, _LONGEST = 20, 300
# A training line is about 17 tokens.
_TOKENS_A_LINE = 17


def draw_pairs(folders: Folders, corpus: Path, count: int, seed: int) -> list[TextPair]:
    """At most `count` pairs in a seeded order: a third of each kind, where there are enough."""
    texts = [document.text for document in read_train(folders)]
    third = -(-count // 3)
    draw = random.Random(f"{seed}/embedder")
    lines = write_training_lines(corpus, texts, third * _TOKENS_A_LINE, seed)
    kinds = [
        list(neighbours(texts, draw)),
        list(glosses(load_dictionary(corpus), draw)),
        [(line.passage, line.description) for line in lines],
    ]
    pairs: list[TextPair] = []
    for kind in kinds:
        draw.shuffle(kind)
        pairs += kind[:third]
    draw.shuffle(pairs)
    return pairs[:count]


def neighbours(texts: list[str], draw: random.Random) -> Iterator[TextPair]:
    """Two sentences that follow one another; at most eight pairs a document."""
    for text in texts:
        sentences = [part.strip() for part in _SENTENCE_END.split(text[:20_000])]
        usable = [
            place
            for place in range(len(sentences) - 1)
            if all(_SHORTEST <= len(sentences[at]) <= _LONGEST for at in (place, place + 1))
        ]
        for place in draw.sample(usable, min(8, len(usable))):
            yield sentences[place], sentences[place + 1]


def glosses(dictionary: Dictionary, draw: random.Random) -> Iterator[TextPair]:
    """Each sense's word with its gloss, and its gloss with an example, a synonym or what it is a kind of."""
    for senses in dictionary.senses.values():
        for sense in senses:
            word = sense.lemma.replace("_", " ")
            yield word, sense.gloss
            related = [*sense.examples, *sense.synonyms, *sense.hypernyms[:1]]
            if related:
                yield draw.choice([word, sense.gloss]), draw.choice(related).replace("_", " ")
