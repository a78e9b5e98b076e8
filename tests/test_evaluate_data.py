"""The hand-written data behind the figures: enough of it, no row twice, and pairs that do end in one token."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from backends.engine.evaluating.controls import embedding
from backends.engine.evaluating.controls.senses import Sense, cases_of
from investigator import workbench
from investigator.errors import WorkbenchError

HELDOUT = workbench.locate("pocket").parent / "heldout"


@pytest.fixture(scope="module")
def senses() -> list[Sense]:
    lines = (HELDOUT / "senses.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Sense) for line in lines]


def test_pairs_end_in_the_same_token_of_pocket(senses: list[Sense]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(HELDOUT.parent / "subject")
    for sense in senses:
        left, right = (tokenizer(text)["input_ids"] for text in (sense.left, sense.right))
        assert left[-1] == right[-1], sense
        # The whole word is that one token, so that a table by token cannot tell the contexts apart.
        assert tokenizer.decode(left[-1:]).strip() == sense.word, sense


def test_pairs_are_many_and_distinct(senses: list[Sense]) -> None:
    assert len(senses) >= 220
    contexts = Counter(text for sense in senses for text in (sense.left, sense.right))
    assert max(contexts.values()) == 1
    for sense in senses:
        assert all(6 <= len(text.split()) <= 25 for text in (sense.left, sense.right)), sense
        assert sense.left_hypothesis != sense.right_hypothesis


def test_no_hypothesis_names_the_word_that_both_contexts_end_in(senses: list[Sense]) -> None:
    for sense in senses:
        if len(sense.word) > 3:
            for text in (sense.left_hypothesis, sense.right_hypothesis):
                assert sense.word not in text.split(), sense


def test_each_pair_gives_two_cases_that_swap_the_contexts(senses: list[Sense]) -> None:
    left, right = cases_of(senses[:1])
    assert (left.true, left.other) == (right.other, right.true) and left.text != right.text


def test_vague_sentences_are_two_hundred_distinct_ones() -> None:
    lines = (HELDOUT / "vague.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len({line.casefold() for line in lines}) == 200
    assert all(line == line.strip() and 1 <= len(line.split()) <= 12 for line in lines)


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"something else")
    with pytest.raises(WorkbenchError, match=hashlib.sha256(b"something else").hexdigest()):
        embedding.check(weights)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        embedding.check(tmp_path / "nothing")


def test_the_embedder_gives_unit_vectors_and_knows_what_is_alike() -> None:
    embedder = embedding.Embedder()
    found = embedder.embed(["references to dogs", "a puppy barked at us", "the stock market fell"])
    assert found.shape == (3, 384)
    assert (found * found).sum(1) == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.1
