"""The rules that write labels, on passages made so that the right label is known."""

import random
import re

import numpy as np
import pytest

from backends.engine.training.dictionary import Sense, build_dictionary
from backends.engine.training.firings import LatentFirings
from backends.engine.training.labels.choice import Checked, checked_candidates, choose, is_offensive
from backends.engine.training.labels.evidence import base_evidence, latent_evidence
from backends.engine.training.labels.heldout import hold_out
from backends.engine.training.labels.lexicon import build_lexicon
from backends.engine.training.labels.tables import Tables, build_tables
from backends.engine.training.labels.words import Fields, read_fields
from backends.engine.training.passages import Passages, cut_passages
from backends.engine.training.phrasing import OFFENSIVE_HASHES, offensive_hash
from backends.engine.training.recipe import LabelsRecipe
from backends.engine.training.splits import Document
from backends.engine.training.tokenizer import train_tokenizer

_ANIMALS = "dog cat horse cow sheep goat pig hen".split()
_TOOLS = "hammer saw drill knife spoon fork rope nail".split()
_PAST = "walked jumped called turned played".split()
_FILLER = "the old man went to a small house near green hills and then came back again".split()


def _sense(lemma: str, parent: str) -> Sense:
    return Sense(
        lemma=lemma,
        pos="n",
        sense=1,
        synset=f"w-{lemma}",
        gloss=f"a {parent} that is called so" if parent else f"any {lemma}",
        hypernyms=[parent] if parent else [],
        hypernym_synsets=[f"w-{parent}"] if parent else [],
        examples=[],
        synonyms=[],
        lexfile="noun.animal" if parent == "animal" else "noun.artifact",
    )


def _texts() -> list[str]:
    draw = random.Random(3)
    texts = []
    for _ in range(80):
        words = []
        for _ in range(24):
            words.append(draw.choice(_FILLER))
            if draw.random() < 0.3:
                words.append(draw.choice([*_ANIMALS, *_TOOLS, *_PAST, "running", "London", "12"]))
        texts.append(" ".join(words) + ".")
    return texts


@pytest.fixture(scope="module")
def passages_and_fields() -> tuple[Passages, Fields]:
    texts = _texts()
    tokenizer = train_tokenizer(texts, 330, 64)
    documents = [Document(file="f", index=place, text=text) for place, text in enumerate(texts)]
    passages = cut_passages(documents, tokenizer, context=64, tokens=10**6, most=2, seed=1)
    return passages, read_fields(passages, tokenizer)


@pytest.fixture(scope="module")
def tables(passages_and_fields: tuple[Passages, Fields]) -> Tables:
    passages, fields = passages_and_fields
    senses = [_sense(word, "animal") for word in _ANIMALS] + [_sense(word, "tool") for word in _TOOLS]
    dictionary = build_dictionary([_sense("animal", ""), _sense("tool", ""), *senses])
    counts = np.bincount(fields.word[fields.word >= 0], minlength=len(fields.words.texts))
    lexicon = build_lexicon(fields.words.texts, counts, dictionary)
    anywhere = base_evidence(passages, fields, count=4000, seed=1)
    return build_tables(fields, lexicon, anywhere, LabelsRecipe(least_lift=2.0))


def _firings(passages: Passages, where: np.ndarray) -> LatentFirings:
    """One latent that fires with activation 1 wherever the mask holds."""
    rows, positions = np.nonzero(where & passages.mask())
    starts = np.array([0, len(rows)])
    return LatentFirings(starts, rows.astype(np.int32), positions.astype(np.int32), np.ones(len(rows), np.float32))


def _labels(passages: Passages, tables: Tables, where: np.ndarray) -> list[str]:
    latents = _firings(passages, where)
    writing, checking = (
        latent_evidence(passages, tables.fields, latents, 0, half=half, most=300, seed=1) for half in (0, 1)
    )
    return [found.candidate.text for found in checked_candidates(writing, checking, tables, set())]


def _is_word(fields: Fields, words: list[str]) -> np.ndarray:
    return np.isin(fields.word, [fields.words.find(word) for word in words])


def test_words_are_those_of_a_plain_split(passages_and_fields: tuple[Passages, Fields]) -> None:
    passages, fields = passages_and_fields
    text = _texts()[int(passages.documents[0])]
    expected = re.findall(r"[a-zA-Z]+|\d+|[^\w\s]", text)
    length = int(passages.lengths[0])
    spoken = [fields.words.texts[number] for number in fields.word[0, 1:length]]
    # Tokens of one word repeat it; neighbouring equal words of the text would be merged by this, so both sides are.
    merged = [word for place, word in enumerate(spoken) if place == 0 or word != spoken[place - 1]]
    plain = [word for place, word in enumerate(expected) if place == 0 or word != expected[place - 1]]
    assert merged == plain[: len(merged)]
    assert (fields.word[0, length:] == -1).all() and fields.word[0, 0] == -1


def test_previous_and_following_are_the_neighbouring_words(passages_and_fields: tuple[Passages, Fields]) -> None:
    _, fields = passages_and_fields
    row, position = 1, 10
    word = fields.word[row, position]
    start = position
    while fields.word[row, start - 1] == word and fields.previous[row, start] == fields.previous[row, start - 1]:
        start -= 1
    assert fields.previous[row, position] == fields.word[row, start - 1]


def test_one_word(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    assert _labels(passages, tables, _is_word(fields, ["horse"]))[0] == 'the word "horse"'


def test_two_words(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    found = _labels(passages, tables, _is_word(fields, ["running", "London"]))[0]
    assert found in {'the words "running" and "london"', 'the words "london" and "running"'}


def test_a_kind_of_the_dictionary(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    assert _labels(passages, tables, _is_word(fields, _ANIMALS))[0] == "references to animals"


def test_two_kinds(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    found = _labels(passages, tables, _is_word(fields, [*_ANIMALS, *_TOOLS]))
    assert {"references to animals and tools", "references to tools and animals"} & set(found)


def test_a_shared_ending(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    assert 'words that end in "ed"' in _labels(passages, tables, _is_word(fields, _PAST))


def test_forms_of_an_irregular_verb_are_one_family() -> None:
    texts = ["say", "said", "Saying", "horse"]
    senses = [
        Sense("say", "v", 1, "s", "to speak", [], [], [], [], "verb.communication"),
        Sense("saying", "n", 1, "t", "a word of wisdom", [], [], [], [], "noun.communication"),
        _sense("horse", ""),
    ]
    lexicon = build_lexicon(texts, np.ones(4, dtype=np.int64), build_dictionary(senses))
    family = lexicon.family.tolist()
    assert family[0] == family[1] == family[2] != family[3]
    assert lexicon.lemmas[lexicon.lemma[2]] == "saying"


def test_numbers(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    assert "numbers" in _labels(passages, tables, _is_word(fields, ["12"]))


def test_what_comes_after_a_word(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, fields = passages_and_fields
    where = fields.previous == fields.words.find("green")
    assert 'words after "green"' in _labels(passages, tables, where)


def test_places_without_a_pattern_get_no_label(passages_and_fields: tuple[Passages, Fields], tables: Tables) -> None:
    passages, _ = passages_and_fields
    where = np.random.default_rng(0).random(passages.tokens.shape) < 0.1
    assert _labels(passages, tables, where) == []


def test_offensive_words_are_refused() -> None:
    assert is_offensive('the word "blorp"', {"blorp"})
    assert is_offensive("references to blorps", {"blorp"})
    assert not is_offensive('the word "horse"', {"blorp"})
    assert offensive_hash("horse") not in OFFENSIVE_HASHES


def _checked(text: str, score: float) -> Checked:
    from backends.engine.training.labels.candidates import Candidate

    return Checked(Candidate("word", text, text, "word", np.zeros(0, np.int32), 1.0, 0.1), score)


def test_a_worn_out_label_goes_to_those_it_fits_best() -> None:
    options = {
        1: [_checked("a", 0.7), _checked("b", 0.7)],
        2: [_checked("a", 0.9)],
        3: [_checked("a", 0.8)],
        4: [],
    }
    chosen = choose(options, most=2)
    assert {latent: found.candidate.text for latent, found in chosen.items()} == {2: "a", 3: "a", 1: "b"}


def test_held_out_strings_go_by_head_word() -> None:
    heads = {f'the word "w{n}"': f"w{n}" for n in range(200)} | {
        f'forms of the word "w{n}"': f"w{n}" for n in range(50)
    }
    held = hold_out(heads, 0.1, seed=1)
    assert 0.08 * len(heads) <= len(held) <= 0.1 * len(heads)
    for text, head in heads.items():
        same = {other for other, name in heads.items() if name == head}
        assert (text in held) == (same <= held)
    assert held == hold_out(dict(reversed(heads.items())), 0.1, seed=1)
