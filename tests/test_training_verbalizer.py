"""A verbalizer and a reconstructor trained for a few steps: they resume, and open as any released NLA does."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_pocket import RECIPE, write_corpus

import tiny
from backends.engine.likelihood.injected import Injected
from backends.engine.training.adapters import factors
from backends.engine.training.best_of import cosines, opened_pair, run_best_of, spoken
from backends.engine.training.folders import Folders
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.labels.stage import run_labels
from backends.engine.training.naming import name_parts
from backends.engine.training.opening import Opened
from backends.engine.training.pair_examples import Examples, batches, quoted_word, say, training_examples
from backends.engine.training.recipe import Recipe, RecipeError, load_recipe
from backends.engine.training.sae import run_sae
from backends.engine.training.stages import STAGES, Arguments, language_model
from backends.engine.training.statistics import run_statistics
from backends.engine.training.verbalizer import open_speech, run_verbalizer

_SECTIONS = """
[verbalizer]
rank = 2
batch = 4
steps = 4
warmup_steps = 1
tune = 6
checkpoint_seconds = 0.0
[reconstructor]
rank = 2
batch = 4
steps = 4
start = 40
warmup_steps = 1
tune = 6
checkpoint_seconds = 0.0
[best_of]
places = 12
texts = 2
most_tokens = 24
batch = 4
steps = 2
tune = 8
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Folders]:
    root = tmp_path_factory.mktemp("tiny")
    corpus = write_corpus(root / "corpus")
    folders = Folders(root / "out")
    folders.root.mkdir()
    folders.recipe.write_text(RECIPE.replace("context = 48", "context = 160") + _SECTIONS)
    recipe = load_recipe(folders.recipe)
    given = Arguments([Opened(recipe, folders)], corpus, "cpu", "float32")
    for stage in (
        language_model(given),
        run_sae(recipe, folders),
        run_statistics(recipe, folders),
        run_labels(recipe, folders, corpus=corpus),
        STAGES["verbalizer"](given),
        STAGES["reconstructor"](given),
        STAGES["best-of"](given),
    ):
        list(stage)
    name_parts(given.opened)
    return recipe, folders


def test_texts_are_training_labels_and_quotes(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    found = training_examples(recipe, folders, 60, 1)
    labels = LabelTexts.load(folders.labels(1), 64)
    allowed = {text for text, held in zip(labels.texts, labels.heldout, strict=True) if not held}
    assert len(found) == len(found.residuals) > 10
    for text in found.texts:
        *said, word = text.split("; ")
        assert set(said if word.startswith('"') and word not in allowed else [*said, word]) <= allowed
    again = training_examples(recipe, folders, 60, 1)
    assert again.texts == found.texts and np.array_equal(again.residuals, found.residuals)


def test_saying_and_quoting() -> None:
    draw = np.random.default_rng(1)
    seen = {say(["a", "b", "c", "d", "e"], "end", draw) for _ in range(200)}
    assert seen == {'a; b; "end"', 'a; b; c; "end"', 'a; b; c; d; "end"'}
    assert say(["a"], "", draw) == "a"
    assert quoted_word(["ing", " more", " wa", "ter"]) == "water"
    assert quoted_word(["drink", "\n"]) == "drink"
    assert quoted_word(["say", ' "x']) == quoted_word(["\n", " "]) == ""


def test_batches_hold_every_example_once_an_epoch() -> None:
    examples = Examples(np.zeros((37, 2), np.float16), ["x" * (i % 7 + 1) for i in range(37)])
    epoch = list(itertools.islice(batches(examples, 5, 1), 8))
    assert sorted(np.concatenate(epoch).tolist()) == list(range(37))


def test_they_are_written_in_the_released_format_without_a_trace_of_this_machine(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    for name, role in (("verbalizer", "av"), ("reconstructor", "ar")):
        folder = folders.reader(name)
        card = msgspec.yaml.decode((folder / "nla_meta.yaml").read_bytes())
        assert (card["kind"], card["role"], card["d_model"], card["extraction_layer_index"]) == (
            "nla_model",
            role,
            32,
            1,
        )
        adapter = json.loads((folder / "adapter_config.json").read_text())
        assert adapter["base_model_name_or_path"] == recipe.name
        assert str(folders.root) not in (folder / "adapter_config.json").read_text()
        assert all(t.dtype == torch.bfloat16 for t in load_file(folder / "adapter_model.safetensors").values())
        assert not (folder / "README.md").exists()
        figures = json.loads(folders.figures(name).read_text())
        assert all(math.isfinite(value) for value in figures.values())
    assert load_file(folders.reader("reconstructor") / "value_head.safetensors")["weight"].shape == (32, 32)


def test_they_open_draw_score_and_carry_fidelity(made: tuple[Recipe, Folders]) -> None:
    from backends.engine.engine import WorkbenchEngine
    from investigator.sources import Residual
    from investigator.wire import Explain, RankLabels

    _, folders = made
    engine = WorkbenchEngine(folders.root / "workbench.toml")
    engine.load()
    assert engine.workbench.readers["nla"].kind == "nla"
    ids = tuple(engine.parts.subject().encode("The dog sees the cat in 1900."))
    source = Residual("", ids, 1, -2)
    ranked = tiny.ask(engine, RankLabels(source, "nla", limit=3, order="score"))
    assert ranked.rows and all(row.score.error is None for row in ranked.rows)
    told = tiny.ask(engine, Explain(source, "nla", samples=2, max_tokens=20, controls=False))
    assert all(row.fidelity is not None and row.fidelity.error is None for row in told.rows)


def test_a_stopped_training_goes_on_to_the_same_weights(made: tuple[Recipe, Folders], tmp_path: Path) -> None:
    recipe, folders = made
    for name in ("subject", "labels", "statistics", "heldout", "saes", "work"):
        (tmp_path / name).symlink_to(folders.root / name) if name != "work" else (tmp_path / name).mkdir()
    (tmp_path / "work" / "firings-L1").symlink_to(folders.work / "firings-L1")
    (tmp_path / "work" / "splits").symlink_to(folders.work / "splits")
    other = Folders(tmp_path)
    stopped = run_verbalizer(recipe, other)
    for _ in range(3):
        next(stopped)
    stopped.close()
    list(run_verbalizer(recipe, other))
    first, second = (load_file(each.reader("verbalizer") / "adapter_model.safetensors") for each in (folders, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name])


def test_of_its_own_texts_the_one_that_brings_back_most_is_learned(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    speech, work = opened_pair(recipe, folders, device="cpu", dtype="float32")
    vectors = training_examples(recipe, folders, 12, 1).vectors(np.arange(4))
    settings = msgspec.structs.replace(recipe.best_of, most_tokens=12)
    assert spoken(speech, vectors, settings, temperature=1.0, seed=3) == spoken(
        speech, vectors, settings, temperature=1.0, seed=3
    )
    scores = cosines(work, ["a dog", "", "a cat", "x"], vectors)
    alone = torch.cat([work.vectors([text]).detach() for text in ("a dog", "a cat")])
    wanted = torch.nn.functional.cosine_similarity(alone, vectors[[0, 2]], dim=-1)
    torch.testing.assert_close(scores[[0, 2]], wanted, atol=1e-5, rtol=0)
    assert scores[1] == -1


def test_greedy_texts_are_those_of_whole_passes(made: tuple[Recipe, Folders], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, folders = made
    speech, _ = opened_pair(recipe, folders, device="cpu", dtype="float32")
    vectors = training_examples(recipe, folders, 12, 1).vectors(np.arange(3))
    monkeypatch.setattr("backends.engine.training.best_of._TEXT", re.compile("(.*)", re.DOTALL))
    settings = msgspec.structs.replace(recipe.best_of, most_tokens=8)
    told = spoken(speech, vectors, settings, temperature=0.0, seed=1)
    for vector, text in zip(vectors, told, strict=True):
        ids: list[int] = []
        while len(ids) < 8 and speech.subject.eos_id not in ids:
            prompt = Injected(speech.embeds, vector[None, None], speech.prompt.positions, speech.injection)
            with torch.no_grad(), prompt.injecting(speech.subject):
                embeds = prompt.before(speech.subject, speech.subject.embed(torch.tensor([ids], dtype=torch.long)))
                hidden, _ = speech.subject.body(inputs_embeds=embeds)
            ids.append(int(speech.subject.head(hidden[0, -1]).argmax()))
        assert text == speech.subject.decode([one for one in ids if one != speech.subject.eos_id])


def test_the_round_is_done_once_and_kept_only_where_it_helped(made: tuple[Recipe, Folders]) -> None:
    recipe, folders = made
    figures = json.loads(folders.figures("best-of").read_text())
    assert figures["kept"] == (figures["after"]["fve"] > figures["before"]["fve"])
    trained = factors(open_speech(recipe, folders, device="cpu", dtype="float32").model).keys()
    assert len(load_file(folders.reader("verbalizer") / "adapter_model.safetensors")) == len(trained)
    said = list(run_best_of(recipe, folders))
    assert len(said) == 1 and "before" in said[0].message
    (folders.figures("best-of")).rename(folders.root / "kept")
    checkpoint = folders.checkpoint("reconstructor")
    checkpoint.rename(folders.root / "away")
    try:
        with pytest.raises(RecipeError, match="checkpoint is not in"):
            list(run_best_of(recipe, folders))
    finally:
        (folders.root / "away").rename(checkpoint)
        (folders.root / "kept").rename(folders.figures("best-of"))
