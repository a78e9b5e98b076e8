"""Splits, tokenizer and dictionary lines: nothing held out leaks, nothing offensive is written, text survives."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tiny_corpus import RECIPE, make_corpus, make_dictionary
from transformers import AutoTokenizer

from backends.engine.training.corpus import CorpusError, read_documents, read_manifest
from backends.engine.training.dictionary import Sense, build_dictionary, load_dictionary
from backends.engine.training.dictionary_lines import LineWriter
from backends.engine.training.folders import Folders, read_lines
from backends.engine.training.neighbours import group_near_duplicates, sketch
from backends.engine.training.phrasing import Kind, inflections, is_offensive_word, phrase, pluralise
from backends.engine.training.recipe import Recipe, RecipeError, load_recipe
from backends.engine.training.rows import load_rows, pack_lines, pack_text, run_rows
from backends.engine.training.splits import excerpt, read_train, run_splits
from backends.engine.training.tokenizer import DESCRIBE, run_tokenizer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny corpus for the module."""
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def made(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Folders]:
    """Splits, tokenizer and rows of the tiny recipe."""
    root = tmp_path_factory.mktemp("out")
    (root / "recipe.toml").write_text(RECIPE)
    recipe, folders = load_recipe(root / "recipe.toml"), Folders(root)
    for stage in (run_splits(recipe, folders, corpus=corpus), run_tokenizer(recipe, folders)):
        assert list(stage)[-1].done > 0
    list(run_rows(recipe, folders, corpus=corpus))
    return recipe, folders


def _words_shared(first: str, second: str) -> float:
    """Slow reference: share of the smaller text's five-word shingles that the other text has too."""
    shingles = []
    for text in (first, second):
        words = text.lower().replace(".", "").split()
        shingles.append({tuple(words[place : place + 5]) for place in range(len(words) - 4)})
    return len(shingles[0] & shingles[1]) / max(1, min(map(len, shingles)))


def test_no_near_duplicate_of_a_heldout_document_is_trained_on(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    train = [document.text for document in read_train(folders)]
    held = [row["text"] for split in ("tune", "test") for row in read_lines(folders.heldout(split))]
    assert len(held) == 24
    assert all(_words_shared(text, other) < 0.3 for text in held for other in train)


def test_tune_and_test_share_no_near_duplicates(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    tune, test = ([row["text"] for row in read_lines(folders.heldout(split))] for split in ("tune", "test"))
    assert all(_words_shared(text, other) < 0.3 for text in tune for other in test)


def test_heldout_documents_come_from_files_that_may_ship_and_say_where(
    corpus: Path, made: tuple[Recipe, Folders]
) -> None:
    files = read_manifest(corpus)
    for split in ("tune", "test"):
        for row in read_lines(made[1].heldout(split)):
            assert files[row["file"]].may_ship and row["licence"] == "CC0"
            assert read_documents(corpus, files[row["file"]])[row["index"]].startswith(row["text"])


def test_splits_are_the_same_from_the_same_seed(corpus: Path, made: tuple[Recipe, Folders], tmp_path: Path) -> None:
    recipe, folders = made
    again = Folders(tmp_path)
    list(run_splits(recipe, again, corpus=corpus))
    assert again.heldout("test").read_bytes() == folders.heldout("test").read_bytes()
    assert (again.splits / "train.jsonl").read_bytes() == (folders.splits / "train.jsonl").read_bytes()


def test_sketches_group_copies_and_keep_strangers_apart() -> None:
    texts = ["one two three four five six seven", "a b c d e f g h", "one two three four five six seven", ""]
    groups = group_near_duplicates([sketch(text, 5, 16) for text in texts], 5)
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_excerpt_ends_with_a_sentence_and_never_exceeds_its_bytes() -> None:
    text = "Première phrase. Deuxième phrase. Troisième phrase sans fin"
    assert excerpt(text, 40) == "Première phrase. Deuxième phrase."
    assert excerpt("é" * 30, 15).encode() == ("é" * 7).encode()
    assert excerpt("short", 100) == "short"


def test_tokenizer_round_trip_through_autotokenizer(made: tuple[Recipe, Folders]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made[1].subject)
    for text in ("The river, 1984!", " naïve — 東京\n\tx", "a  b"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids[1:]) == text
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids[1:]
    years = tokenizer.convert_ids_to_tokens(tokenizer("1984", add_special_tokens=False)["input_ids"])
    assert years == ["1", "9", "8", "4"]


def test_rows_begin_with_bos_and_lines_stay_whole(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    tokenizer = AutoTokenizer.from_pretrained(folders.subject)
    rows = load_rows(folders)
    assert (rows[:, 0] == tokenizer.bos_token_id).all()
    describe = tokenizer.convert_tokens_to_ids(DESCRIBE)
    lines = [row for row in rows if describe in row]
    assert lines
    for row in lines:
        counts = Counter(row.tolist())
        assert counts[tokenizer.bos_token_id] == counts[describe] == counts[tokenizer.eos_token_id]


def test_packing_loses_no_token() -> None:
    packed = pack_text([[5, 6, 7], [8, 9]], context=4, bos=0, eos=1, count=9)
    assert packed.tolist() == [[0, 5, 6, 7], [0, 1, 0, 8], [0, 9, 1, 0]]
    lines = pack_lines([[0, 5, 2, 6, 1], [0, 7, 2, 8, 1], [0, 1]], context=8, pad=3, count=5)
    assert lines.tolist() == [[0, 5, 2, 6, 1, 3, 3, 3], [0, 7, 2, 8, 1, 0, 1, 3]]


def test_lines_hold_no_filtered_lemma(corpus: Path) -> None:
    dictionary = load_dictionary(corpus)
    assert "zorble" not in dictionary.senses and "quink" not in dictionary.senses
    writer = LineWriter(dictionary, Counter(), seed=3)
    written = [*writer.from_dictionary(600), *writer.from_text(["The zorble is a cat and a dog, he said."] * 3, 100)]
    assert len(written) > 300
    assert all("zorble" not in line.description and "quink" not in line.description for line in written)
    kinds = {line.description for line in written}
    assert {"references to animals", 'the word "cat"'} <= kinds


def test_lines_are_the_same_from_the_same_seed(corpus: Path) -> None:
    dictionary = load_dictionary(corpus)
    first, second = (list(LineWriter(dictionary, Counter(), seed=5).from_dictionary(50)) for _ in range(2))
    assert first == second


def test_offensive_senses_take_the_whole_lemma_and_its_mentions_along() -> None:
    dictionary = build_dictionary([msgspec.convert(row, Sense) for row in make_dictionary()])
    assert dictionary.senses["pebble"][0].synonyms == ["grit"]
    assert is_offensive_word("some Sluts here") and not is_offensive_word("a class of assets")


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("city", "cities"),
        ("part of speech", "parts of speech"),
        ("wading bird", "wading birds"),
        ("policewoman", "policewomen"),
        ("human", "humans"),
        ("crisis", "crises"),
        ("box", "boxes"),
        ("child", "children"),
        ("information", "information"),
    ],
)
def test_plurals(noun: str, plural: str) -> None:
    assert pluralise(noun) == plural


def test_inflections_and_phrases() -> None:
    assert inflections("carry", "v") == ["carry", "carries", "carried", "carrying"]
    assert phrase(Kind.WORD, "cat") == 'the word "cat"'
    drawn = {phrase(Kind.TOPIC, "time", random.Random(seed)) for seed in range(40)}
    assert "text about time" in drawn and len(drawn) > 3


def test_a_corpus_or_recipe_that_does_not_fit_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"MANIFEST\.json"):
        read_manifest(tmp_path)
    (tmp_path / "recipe.toml").write_text("[sae]\nlatent = 3\n")
    with pytest.raises(RecipeError, match="latent"):
        load_recipe(tmp_path / "recipe.toml")
    (tmp_path / "MANIFEST.json").write_text("[]")
    (tmp_path / "dictionary.jsonl.xz").write_bytes(b"not xz")
    with pytest.raises(CorpusError, match="Fetch"):
        load_dictionary(tmp_path)


def test_default_recipe_loads() -> None:
    recipe = load_recipe()
    assert recipe.name == "pocket"
    assert all(not name.endswith("_SA") for name in recipe.corpus.heldout)
    assert np.isclose(sum(recipe.corpus.megabytes.values()), 75, atol=20)
