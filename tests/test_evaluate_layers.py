"""Figures of any layer and subject: what is lost to the autoencoder, and whether generated texts mean the labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_pocket import RECIPE, write_corpus
from torch.nn import functional

from backends.engine.evaluating import bench as benches
from backends.engine.evaluating import generation
from backends.engine.evaluating.controls import embedding as minilm
from backends.engine.evaluating.generation import generation_figures, labelled_places, open_embedders, similarities
from backends.engine.evaluating.pocket import evaluate_pocket
from backends.engine.evaluating.spliced import loss_recovered_figure, nats
from backends.engine.training.frozen_sae import FrozenSae
from backends.engine.training.opening import open_folder
from backends.engine.training.stages import STAGES, prepare
from investigator.records import Figure

OTHERS = "[others]\nlayers = [0]\n[others.mapper]\nprompt_only_steps = 0\npaper_steps = 0\n"
EMBEDDER = "[embedder]\nvocabulary = 300\nwidth = 8\npairs = 200\nepochs = 1\nbatch = 32\n"


class Letters:
    """Unit vectors of letter counts."""

    name = "letters"

    def embed(self, texts: list[str]) -> np.ndarray:
        found = np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
        return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)).astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("layers")
    (root / "recipe.toml").write_text(RECIPE + OTHERS + EMBEDDER)
    given = prepare(root / "recipe.toml", root / "out", "", write_corpus(root / "corpus"), dtype="float32")
    for _ in STAGES["pocket"](given):
        pass
    return root / "out"


@pytest.fixture(scope="module")
def bench(made: Path) -> benches.TestBench:
    return next(iter(benches.open_benches(open_folder(made))))


def test_an_edit_that_changes_nothing_loses_nothing(bench: benches.TestBench) -> None:
    text = "The dog sees the cat in 1900. The horse finds bread."
    ids = torch.tensor([bench.subject.encode(text)])
    with torch.inference_mode():
        logits = bench.subject.model(input_ids=ids).logits[0].float()
    expected = float(functional.cross_entropy(logits[1:-1], ids[0, 2:], reduction="sum"))
    assert nats(bench, text, lambda x: x) == pytest.approx(expected, rel=1e-5)


def test_the_autoencoder_stands_at_its_layer_alone(bench: benches.TestBench) -> None:
    """The tiny model has two blocks and the main layer is the last: what follows is its head, written out here."""
    text = "The doctor wants the bread in 1950."
    sae = FrozenSae.load(bench.folders.sae(bench.layer), device="cpu", dtype="float32")
    ids = torch.tensor([bench.subject.encode(text)])
    hidden = bench.subject.capture(ids[0].tolist())[bench.layer]
    spliced = torch.cat([hidden[:1], sae.reconstruct(hidden[1:])])
    with torch.inference_mode():
        logits = bench.subject.model.lm_head(bench.subject.model.model.norm(spliced))
    expected = float(functional.cross_entropy(logits[1:-1], ids[0, 2:], reduction="sum"))
    assert nats(bench, text, sae.reconstruct) == pytest.approx(expected, rel=1e-4)


def test_loss_recovered_is_one_of_a_perfect_autoencoder(
    bench: benches.TestBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = loss_recovered_figure(bench)
    assert measured.value is not None and measured.interval is not None and "nats/token" in measured.compared_with
    monkeypatch.setattr(FrozenSae, "reconstruct", lambda self, x: x)
    assert loss_recovered_figure(bench).value == pytest.approx(1.0)


def test_similarities_are_those_of_a_slow_count(bench: benches.TestBench) -> None:
    places = labelled_places(bench, 6)
    texts = [f"text {word}" for word in ("dog cat bread", "king", "", "river", "the ship", "apple")][: len(places)] * 2
    texts = sorted(texts)
    found = similarities(bench, Letters(), places, texts)
    embed, count = Letters(), len(places)
    for row, place in enumerate(places):
        labels = {bench.labels.texts[one] for one in bench.labels.of_latent[_latents(bench, place)] if one >= 0}
        for column, source in enumerate((row, (row - count // 2) % count)):
            own = [
                max(float(embed.embed([text])[0] @ embed.embed([label])[0]) for label in labels)
                for text in texts[2 * source : 2 * source + 2]
            ]
            assert found[row, column] == pytest.approx(np.mean(own), abs=1e-5)


def _latents(bench: benches.TestBench, place: int) -> Any:
    return bench.places.best[place][bench.places.best[place] >= 0]


def test_a_reader_that_writes_the_labels_gains(bench: benches.TestBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(bench: benches.TestBench, name: str, residuals: torch.Tensor, draws: int, seed: int) -> list[str]:
        true = []
        for place in labelled_places(bench, 12):
            label = next(one for one in bench.labels.of_latent[_latents(bench, place)] if one >= 0)
            true += [bench.labels.texts[label]] * draws
        return true

    monkeypatch.setattr(generation, "draw_texts", write)
    (figure,) = generation_figures(bench, benches.DEFAULT, 12, {"generation_gain": Letters()})
    assert figure.value is not None and figure.value > 0 and "letters" in figure.compared_with


def test_without_minilm_the_figure_says_how_to_get_it(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "installed", lambda: False)
    found = open_embedders(made, "cpu")
    assert "minilm" in str(found["generation_gain"]) and not isinstance(found["generation_gain_static"], str)


def test_every_layer_has_its_figures(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "installed", lambda: False)
    figures = {row.name: row for row in evaluate_pocket(made) if isinstance(row, Figure)}
    for name in ("mapper_nll_gain", "label_coverage", "sae_loss_recovered", "sae_dead_share", "generation_gain_static"):
        assert name in figures and f"{name}@l0" in figures
    over, strict = figures["mapper_nll_gain"], figures["mapper_nll_gain_over_frequencies"]
    assert "frequencies" not in over.compared_with and "frequencies" in strict.compared_with
    assert (over.value or 0) >= (strict.value or 0)
    assert figures["mapper_nll_gain_per_label"].unit == "nats/label"
    assert "bits_per_byte" in figures and "bits_per_byte@l0" not in figures
    assert figures["generation_gain"].value is None and "minilm" in figures["generation_gain"].compared_with
    assert "tiny-static" in figures["generation_gain_static"].compared_with
    assert figures["label_read_share"].value == 0.0
