"""A corpus folder of a few hundred made-up documents, with near-duplicates and a dictionary, for training tests."""

import json
import lzma
import random
from pathlib import Path

_WORDS = (
    "river stone walker morning letter garden engine winter captain market window story children teacher silver "
    "mountain village doctor answer question bridge forest island kitchen journey soldier painter farmer sailor "
    "music bread water horse cat dog bird tree flower house street paper light evening summer table chair"
).split()


def _sentence(draw: random.Random) -> str:
    words = [draw.choice(_WORDS) for _ in range(draw.randint(5, 12))]
    return " ".join(words).capitalize() + "."


def make_documents(count: int, seed: str) -> list[str]:
    """Documents of several sentences; every fifth is a near-duplicate of the one before."""
    draw = random.Random(seed)
    documents: list[str] = []
    for number in range(count):
        if number % 5 == 4:
            documents.append(documents[-1] + " " + _sentence(draw))
        else:
            documents.append(" ".join(_sentence(draw) for _ in range(draw.randint(8, 20))))
    return documents


def _sense(lemma: str, synset: str, gloss: str, parent: tuple[str, str] | None, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "lemma": lemma,
        "pos": "n",
        "sense": 1,
        "synset": synset,
        "gloss": gloss,
        "hypernyms": [parent[0]] if parent else [],
        "hypernym_synsets": [parent[1]] if parent else [],
        "examples": [f"they saw a {lemma} near the water"],
        "synonyms": [],
        "lexfile": "noun.animal",
        "domain": [],
    }
    return row | more


def make_dictionary() -> list[dict[str, object]]:
    """Animals under one hypernym, a word marked as a slur in one of two senses, and a vulgar gloss."""
    animals = ["cat", "dog", "bird", "horse"]
    rows = [_sense("animal", "a-0", "a living creature that moves", None)]
    rows += [
        _sense(name, f"a-{place}", f"a kind of {name}", ("animal", "a-0")) for place, name in enumerate(animals, 1)
    ]
    rows.append(_sense("zorble", "z-1", "(ethnic slur) an insulting name", ("animal", "a-0")))
    rows.append(_sense("zorble", "z-2", "a small stone", None, sense=2))
    rows.append(_sense("quink", "q-1", "a vulgar word for a stone", None))
    rows.append(_sense("pebble", "p-1", "a small stone", None, synonyms=["zorble", "grit"]))
    return rows


def make_corpus(folder: Path, documents: int = 120) -> Path:
    """Write the corpus folder: two files that may ship and a share-alike one, with manifest and dictionary."""
    manifest = []
    for name, group in (("alpha", "permissive"), ("beta", "permissive"), ("gamma_SA", "sharealike")):
        texts = make_documents(documents, name)
        body = "\n\n".join(texts)
        with lzma.open(folder / f"{name}.txt.xz", "wt", encoding="utf-8") as file:
            file.write(body)
        manifest.append(
            {
                "name": name,
                "file": f"{name}.txt.xz",
                "licence": "CC0",
                "group": group,
                "bytes": len(body.encode()),
                "docs": len(texts),
            }
        )
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    with lzma.open(folder / "dictionary.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in make_dictionary())
    return folder


RECIPE = """
name = "tiny"
[corpus]
tune_documents = 12
test_documents = 12
[corpus.megabytes]
alpha = 1.0
beta = 1.0
gamma_SA = 1.0
[corpus.heldout]
alpha = 2
beta = 1
[tokenizer]
vocabulary = 400
[language_model]
width = 16
layers = 2
heads = 2
mlp_width = 32
context = 32
tokens = 4096
used_tokens = 4096
batch_rows = 8
warmup_steps = 2
checkpoint_seconds = 0.0
[sae]
layer = 1
latents = 64
k = 4
tokens = 4096
batch = 256
warmup_steps = 2
dead_tokens = 512
auxiliary_k = 8
checkpoint_seconds = 0.0
"""
