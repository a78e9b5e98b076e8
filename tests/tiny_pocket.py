"""A corpus and a recipe so small that the whole chain of `train pocket` runs in seconds: plumbing only."""

import json
import lzma
import random
from pathlib import Path

RECIPE = """
name = "tiny"
[corpus]
tune_documents = 8
tune_bytes = 400
test_documents = 8
test_bytes = 400
shared_sketches = 99
[corpus.megabytes]
stories = 1.0
[corpus.heldout]
stories = 1
[tokenizer]
vocabulary = 420
sample_megabytes = 1.0
[language_model]
width = 32
layers = 2
heads = 2
mlp_width = 48
context = 48
tokens = 12000
used_tokens = 12000
batch_rows = 8
warmup_steps = 2
loss_chunk = 64
[sae]
layer = 1
latents = 64
k = 4
tokens = 3000
batch = 64
warmup_steps = 2
dead_tokens = 1000
auxiliary_k = 8
[statistics]
tokens = 4000
quantile_tokens = 500
layer_tokens = 1000
contexts = 2
context_tokens = 12
context_after = 4
background = 6
[labels]
least_firings = 4
anywhere = 400
least_check = 0.5
word_share = 0.1
class_share = 0.1
least_lift = 0.5
heldout_share = 0.4
[mapper]
form = "slotwise"
slots = 4
most_rate = 1.0
pairs = 400
batch = 16
steps = 6
blind_steps = 6
prompt_only_steps = 6
paper_steps = 6
context_tokens = 12
warmup_steps = 2
tune_pairs = 20
background = 3
"""

_NOUNS = "dog cat horse cow river mountain bread apple doctor nurse teacher king ship train garden house".split()
_VERBS = "sees likes finds follows wants needs watches remembers".split()
_KINDS = {
    "animal": ["dog", "cat", "horse", "cow"],
    "food": ["bread", "apple"],
    "professional": ["doctor", "nurse", "teacher"],
}


def write_corpus(folder: Path, documents: int = 120) -> Path:
    """One file of made-up stories and a dictionary of their nouns."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    texts = [_story(draw) for _ in range(documents)]
    with lzma.open(folder / "stories.txt.xz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join(texts))
    manifest = {
        "name": "stories",
        "file": "stories.txt.xz",
        "licence": "CC0",
        "group": "permissive",
        "bytes": sum(map(len, texts)),
        "docs": documents,
    }
    (folder / "MANIFEST.json").write_text(json.dumps([manifest]))
    with lzma.open(folder / "dictionary.jsonl.xz", "wt", encoding="utf-8") as file:
        for row in _senses():
            file.write(json.dumps(row) + "\n")
    return folder


def _story(draw: random.Random) -> str:
    sentences = [
        f"The {draw.choice(_NOUNS)} {draw.choice(_VERBS)} the {draw.choice(_NOUNS)} in {draw.randint(1800, 2020)}."
        for _ in range(8)
    ]
    return " ".join(sentences)


def _sense(lemma: str, synset: str, gloss: str, parents: list[str], parent_synsets: list[str]) -> dict[str, object]:
    return {
        "lemma": lemma,
        "pos": "n",
        "sense": 1,
        "synset": synset,
        "gloss": gloss,
        "hypernyms": parents,
        "hypernym_synsets": parent_synsets,
        "examples": [f"a {lemma} was there"],
        "synonyms": [],
        "lexfile": "noun.animal" if parents == ["animal"] else "noun.artifact",
        "domain": [],
    }


def _senses() -> list[dict[str, object]]:
    kinds = [_sense(kind, f"k-{kind}", f"any {kind}", [], []) for kind in _KINDS]
    members = [
        _sense(word, f"w-{word}", f"a {kind} called {word}", [kind], [f"k-{kind}"])
        for kind, words in _KINDS.items()
        for word in words
    ]
    return kinds + members
