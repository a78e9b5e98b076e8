"""The chain after the language model on a tiny corpus: every stage writes what the next one and the engine read."""

import json
import lzma
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_pocket import RECIPE, write_corpus

from backends.engine import labels as label_files
from backends.engine.evaluating.pocket import evaluate_pocket
from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.statistics import LatentStatistics, LayerStatistics
from backends.engine.training.firings import Firings, firings_folder
from backends.engine.training.folders import Folders
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.mapper_pairs import Pairs, heldout_pairs, heldout_places
from backends.engine.training.opening import Opened
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.pocket import run_after_language_model, run_assemble
from backends.engine.training.progress import Progress
from backends.engine.training.recipe import Recipe, load_recipe
from backends.engine.training.stages import Arguments, embedder, language_model
from investigator.errors import WorkbenchError
from investigator.records import Figure


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Folders]:
    root = tmp_path_factory.mktemp("tiny")
    corpus = write_corpus(root / "corpus")
    folders = Folders(root / "out")
    folders.root.mkdir()
    folders.recipe.write_text(RECIPE)
    recipe = load_recipe(folders.recipe)
    given = Arguments([Opened(recipe, folders)], corpus, "cpu", "float32")
    _exhaust(language_model(given))
    _exhaust(run_after_language_model(recipe, folders, corpus=corpus))
    _exhaust(embedder(given))
    return recipe, folders


def _exhaust(steps: Iterator[Progress]) -> list[Progress]:
    return list(steps)


def test_layer_statistics_are_what_the_engine_reads(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    read = LayerStatistics.read(folders.statistics / "layers.safetensors", layers=2, width=32)
    assert read.background.shape == (2, 6, 32)
    assert torch.linalg.eigvalsh(read.covariance.double()).min() > -1e-3
    card = json.loads((folders.statistics / "layers.json").read_text())
    documents = [place["document"] for place in card["background"]["places"]]
    assert len(set(documents)) == len(documents)
    assert all(place["position"] >= 8 for place in card["background"]["places"])


def test_latent_statistics_and_contexts_are_what_the_engine_reads(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    folder = folders.statistics / "L1"
    read = LatentStatistics(64, folder)
    fired = read.rate > 0
    assert fired.any() and (read.maximum[fired] > 0).all()
    assert read.histogram_counts is not None
    tokens = json.loads((folder / "latents.json").read_text())["figures"]["tokens"]
    assert read.histogram_counts.sum(1) == pytest.approx(read.rate * tokens, abs=0.6)
    latent = int(read.rate.argmax())
    for context in read.contexts(latent):
        assert 0 < len(context.tokens) <= 12
        assert context.activations[context.peak] == max(context.activations)
        assert context.activations[context.peak] == pytest.approx(read.maximum[latent], rel=1.0)
        assert context.document.startswith("stories:")


def test_labels_have_the_fields_of_an_explanation(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    rows = [json.loads(line) for line in folders.labels(1).read_text().splitlines()]
    assert rows
    for row in rows:
        assert isinstance(row["index"], str) and row["layer"] == "1-tiny-res-0k"
        assert row["typeName"] == "investigator_rule_v1" and row["explanationModelName"] is None
        assert row["split"] in {"train", "heldout"} and 0.5 <= row["score"] <= 1.0
        assert row["rule"].startswith(row["evidence"]["rule"])
    read = label_files.read(folders.labels(1))
    assert read.labelled == len({row["index"] for row in rows})


def test_readers_load_and_their_means_are_finite(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    labels = label_files.read(folders.labels(1))
    for name, form in (("l2el", "slotwise"), ("l2el-paper", "paper")):
        mapper = SoftPromptMapper.load(folders.readers / name)
        assert mapper.card.form == form and mapper.card.steps == 6 and mapper.card.sae == "l1"
        means = load_file(folders.readers / name / "label_means.safetensors")["means"]
        assert means.shape == (len(labels.texts),) and means.isfinite().all() and (means < 0).all()
        card = json.loads((folders.readers / name / "label_means.json").read_text())
        assert card["labels"] == labels.list_fingerprint
    blind = SoftPromptMapper.load(folders.readers / "l2el-blind")
    near, far = torch.zeros(1, 32), torch.full((1, 32), 9.0)
    assert torch.equal(blind(near), blind(far))


def test_the_prompt_only_reader_learnt_its_slots_and_nothing_else(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    folder = folders.readers / "prompt-only"
    mapper = SoftPromptMapper.load(folder)
    assert mapper.card.form == "prompt-only" and mapper.card.notes["context_tokens"] == 12
    assert mapper.card.steps == SoftPromptMapper.load(folders.readers / "l2el").card.steps == recipe.mapper.steps
    assert list(load_file(folder / "mapper.safetensors")) == ["bias"]
    assert torch.equal(mapper(torch.randn(3, 32)), mapper.bias.expand(3, -1, -1))


def test_pairs_know_the_text_that_their_activation_came_from(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    pairs, firings = Pairs.load(folders.work / "pairs-L1.npz"), Firings.load(firings_folder(folders, 1))
    assert (pairs.positions >= 1).all()
    assert np.array_equal(pairs.residuals, firings.residuals[pairs.rows, pairs.positions])
    assert np.array_equal(pairs.documents, firings.passages.documents[pairs.rows])
    assert np.array_equal(pairs.tokens, firings.passages.tokens)


def test_heldout_pairs_know_theirs_too(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    labels = LabelTexts.load(folders.labels(1), recipe.sae.latents)
    places = heldout_places(recipe, folders, "tune")
    pairs, chosen = heldout_pairs(places, labels, unseen=False, count=20, seed=1)
    subject = TrainedSubject.load(folders.subject, device="cpu", dtype="float32", layers=2)
    for pair in range(len(pairs)):
        text = pairs.tokens[pairs.rows[pair], : pairs.positions[pair] + 1].astype(np.int64)
        alone = subject.residuals(torch.from_numpy(text)[None])[-1][0, -1]
        assert torch.allclose(alone, places.residuals[chosen[pair]], atol=1e-4)


def test_a_finished_chain_does_nothing_again(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    before = {path: path.stat().st_mtime_ns for path in folders.root.rglob("*") if path.is_file()}
    steps = _exhaust(run_after_language_model(recipe, folders, corpus=folders.root / "nowhere"))
    assert all("before" in step.message for step in steps)
    assert before == {path: path.stat().st_mtime_ns for path in folders.root.rglob("*") if path.is_file()}


def test_what_ships_is_enough_for_every_figure(made: tuple[Recipe, Folders], tmp_path: Path) -> None:
    _, folders = made
    _exhaust(run_assemble(folders.root, tmp_path))
    assert not (tmp_path / "work").exists()
    figures = {row.name: row for row in evaluate_pocket(tmp_path) if isinstance(row, Figure)}
    assert {
        "mapper_nll_gain",
        "mapper_nll_gain_paper",
        "true_label_rank",
        "unseen_label_gain",
        "verbatim_share",
        "label_coverage",
        "bits_per_byte",
        "sae_variance_unexplained",
    } <= set(figures)
    values = {name: row.value for name, row in figures.items() if row.value is not None}
    assert all(map(math.isfinite, values.values())) and set(figures) - set(values) <= {"unseen_label_rank"}
    assert 0 <= values["true_label_rank"] <= 1 and values["label_coverage"] > 0


def test_an_unfinished_folder_is_not_assembled(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(WorkbenchError, match="has no subject"):
        _exhaust(run_assemble(tmp_path, tmp_path / "target"))


def test_contexts_are_one_line_a_latent(made: tuple[Recipe, Folders]) -> None:
    _, folders = made
    with lzma.open(folders.statistics / "L1" / "contexts.jsonl.xz", "rt") as lines:
        latents = [json.loads(line)["latent"] for line in lines]
    assert latents == list(range(64))
