"""The embedder of a workbench: what sentence-transformers loads, its training, and the figures that it makes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backends.engine import embedding
from backends.engine.embedding import StaticEmbedder, cosines, reference
from backends.engine.evaluating.controls import embedding as minilm
from backends.engine.training.embedder import (
    embed_bags,
    new_table,
    ranking_loss,
    retrieval,
    save_embedder,
    train_word_pieces,
)
from backends.engine.training.recipe import EmbedderRecipe
from investigator.errors import WorkbenchError

TEXTS = ["the dog sees the cat", "a horse finds bread", "the doctor waits", "zzz!", "river and mountain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedder")
    tokenizer = train_word_pieces(TEXTS[:4], 200)
    weights = torch.randn(tokenizer.get_vocab_size(), 16, generator=torch.Generator().manual_seed(1)).half()
    save_embedder(folder, tokenizer, weights, "tiny-static")
    return folder


@pytest.mark.filterwarnings("ignore")
def test_vectors_are_those_of_sentence_transformers(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True).float()
    theirs = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    ours = StaticEmbedder(folder).embed(TEXTS)
    assert np.allclose(ours, theirs, atol=2e-3)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_the_embedder_knows_its_name_and_says_nothing_of_an_empty_text(folder: Path) -> None:
    embedder = StaticEmbedder(folder)
    assert embedder.name == "tiny-static"
    assert not embedder.embed([""]).any()
    assert cosines(embedder, TEXTS[:2], TEXTS[:3]).shape == (2, 3)


def test_a_damaged_embedder_is_explained(folder: Path, tmp_path: Path) -> None:
    for name in ("embedder.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WorkbenchError, match="train the embedder"):
        StaticEmbedder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(WorkbenchError, match="model"):
        StaticEmbedder(tmp_path)


def test_without_minilm_the_bundled_one_is_the_reference(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "installed", lambda: False)
    assert reference(folder).name == "tiny-static"
    with pytest.raises(WorkbenchError, match="train embedder"):
        reference(tmp_path / "none")
    assert embedding.MiniLM.name == embedding.MINILM


def test_the_loss_is_that_of_a_slow_count() -> None:
    table = torch.randn(30, 8, generator=torch.Generator().manual_seed(2))
    left, right = [[1, 2], [3], [4, 5, 6]], [[7], [8, 9], [10, 11]]
    vectors = [[table[bag].mean(0) / table[bag].mean(0).norm() for bag in side] for side in (left, right)]
    slow = 0.0
    for one, other in (vectors, vectors[::-1]):
        for i in range(3):
            scores = torch.stack([one[i] @ other[j] for j in range(3)]) / 0.1
            slow -= float(scores.log_softmax(0)[i]) / 6
    assert float(ranking_loss(table, left, right, 0.1)) == pytest.approx(slow, abs=1e-5)


def test_partners_come_together_in_training() -> None:
    settings = EmbedderRecipe(width=12)
    left, right = [[i] for i in range(40)], [[i + 40] for i in range(40)]
    table = new_table(80, settings)
    optimiser = torch.optim.Adam([table], lr=0.05)
    before = retrieval(table, left, right)
    for _ in range(60):
        optimiser.zero_grad()
        ranking_loss(table, left, right, 0.06).backward()
        optimiser.step()
    assert retrieval(table, left, right) > 0.9 > before
    assert embed_bags(table, [[1, 2]]).shape == (1, 12)


def test_the_folder_says_what_it_is(folder: Path) -> None:
    card = json.loads((folder / "embedder.json").read_text())
    assert card == {"name": "tiny-static", "width": 16, "words": card["words"]}
    assert json.loads((folder / "modules.json").read_text())[0]["type"].endswith("StaticEmbedding")
