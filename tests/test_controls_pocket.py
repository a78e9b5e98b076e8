"""What verdicts mean on the bundled workbench: claims of meaning, on places that no threshold was taken from."""

from __future__ import annotations

from typing import Any

import l2el_tools as l2el
import numpy as np
import pytest

from backends.engine.controls.artefacts import artefacts_of
from backends.engine.controls.prompt_only import background_contexts
from backends.engine.controls.rankings import judge_ranking
from backends.engine.readers.label_means import label_means
from backends.engine.readers.prepared import score_prepared
from backends.engine.readers.reader import Reader, open_reader
from backends.engine.vectors import vector
from investigator import wire
from investigator.sources import Random, Residual

PROMPTS = (
    ("At first she was afraid. The Second time she was not", " Second", 'the words "first" and "second"'),
    ("He had nothing to say about it, and went", " to", 'the word "to"'),
    ("It was a well-known story about a man-eating plant - a", "-", "hyphens"),
)
VAGUE = ("words in a text", "some text", "words and letters", "a piece of writing")


@pytest.fixture(scope="module")
def engine() -> Any:
    from backends.engine.engine import WorkbenchEngine

    made = WorkbenchEngine("pocket")
    made.load()
    return made


@pytest.fixture(scope="module")
def reader(engine: Any) -> Reader:
    return open_reader(engine, "l2el")


def place(engine: Any, prompt: str, token: str) -> Residual:
    subject = engine.parts.subject()
    ids = tuple(subject.encode(prompt))
    pieces = [subject.piece(token) for token in ids]
    return Residual("", ids, -1, len(pieces) - 1 - pieces[::-1].index(token))


def test_the_bundled_reader_has_controls_of_its_own_parts(engine: Any, reader: Reader) -> None:
    found = artefacts_of(engine, reader)
    assert found is not None
    assert found.card.ranking.decoys == len(found.best) == 200
    assert found.card.ranking.supported <= 0.1
    assert 0 < found.card.alone.spread < 1


def test_true_labels_are_supported_where_they_are_true_and_not_elsewhere(engine: Any) -> None:
    here = [l2el.ask(engine, wire.Test((label,), (place(engine, prompt, token),), templates=()))[1].rows[0]
            for prompt, token, label in PROMPTS]  # fmt: skip
    assert [row.score.verdict for row in here].count("supported") >= 2
    elsewhere = place(engine, "The doctor gave the patient some medicine", " patient")
    _, result, _ = l2el.ask(engine, wire.Test(tuple(label for _, _, label in PROMPTS), (elsewhere,), templates=()))
    assert all(row.score.verdict != "supported" for row in result.rows)


def test_vague_sentences_are_not_supported(engine: Any) -> None:
    source = place(engine, *PROMPTS[0][:2])
    _, result, _ = l2el.ask(engine, wire.Test(VAGUE, (source,), templates=()))
    assert all(row.score.verdict in ("fits almost anything", "not above baseline") for row in result.rows)


def test_a_random_vectors_best_labels_are_not_supported(engine: Any, reader: Reader) -> None:
    means = label_means(engine, reader)
    assert means is not None
    assert means.scores is not None
    assert means.means is not None
    supported = []
    for seed in (11, 12):
        soft = reader.soft(vector(engine, Random("pocket", 3, seed))[None])
        scores = np.full(len(means.prepared.texts), np.nan)
        for done in score_prepared(reader.subject, soft, means.prepared):
            scores[done.texts.numpy()] = done.scores[0].numpy()
        spreads = means.scores.double().std(1, correction=0).numpy()
        found = judge_ranking(engine, reader, scores - means.means.numpy(), spreads, means.means.numpy())
        assert found is not None
        supported.append(found.supported)
    assert sum(supported) == 0


def test_the_background_positions_can_be_read_again_from_the_documents(engine: Any, reader: Reader) -> None:
    contexts = background_contexts(engine, reader.subject)
    assert contexts is not None
    assert len(contexts) == 64
    stored = engine.parts.layer_statistics("pocket").background[reader.layer]
    for context, expected in list(zip(contexts, stored, strict=False))[:6]:
        found = reader.subject.capture(context)[reader.layer, -1]
        # Stored in half precision, measured by a model in bfloat16.
        assert float((found - expected).norm() / expected.norm()) < 0.05
