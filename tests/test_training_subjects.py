"""Two subjects with two layers each, trained by one command on a tiny corpus: plumbing only."""

import json
import tomllib
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_pocket import RECIPE, write_corpus

from backends.engine import saes
from backends.engine.training.naming import name_parts
from backends.engine.training.opening import choose, open_folder, open_for_training
from backends.engine.training.pocket import run_assemble
from backends.engine.training.recipe import Recipe, RecipeError, load_recipe
from backends.engine.training.stages import STAGES, prepare
from investigator import workbench
from investigator.errors import BadInput, WorkbenchError

OTHERS = """
[others]
layers = [0]
[others.sae]
latents = 32
weights = "float16"
[others.mapper]
slots = 3
prompt_only_steps = 0
paper_steps = 0
"""
EMBEDDER = """
[embedder]
vocabulary = 300
width = 8
pairs = 200
epochs = 1
batch = 32
"""


def _recipes(folder: Path) -> Path:
    first, model = RECIPE.partition("[tokenizer]")[0], RECIPE.partition("[tokenizer]")[2]
    (folder / "second").mkdir(parents=True)
    head = first.replace('name = "tiny"', 'name = "tiny"\nsubjects = ["second"]')
    (folder / "recipe.toml").write_text(head + "[tokenizer]" + model + OTHERS + EMBEDDER)
    other = model.replace("width = 32", 'family = "gpt2"\nwidth = 24').replace("vocabulary = 420", "vocabulary = 380")
    (folder / "second" / "recipe.toml").write_text('name = "tiny-second"\n[tokenizer]' + other + OTHERS)
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("subjects")
    corpus, recipe = write_corpus(root / "corpus"), _recipes(root / "recipes")
    given = prepare(recipe, root / "out", "", corpus, dtype="float32")
    for _ in STAGES["pocket"](given):
        pass
    return root / "out"


def test_every_layer_of_both_subjects_has_an_autoencoder_labels_and_a_reader(made: Path) -> None:
    for one in open_folder(made):
        for layer, latents in ((1, 64), (0, 32)):
            recipe, folders = one.recipe.at(layer), one.folders.at(layer, 1)
            weights = load_file(folders.sae(layer) / "sae_weights.safetensors")
            assert weights["W_dec"].shape == (latents, recipe.language_model.width)
            assert weights["W_dec"].dtype == (torch.float16 if layer == 0 else torch.float32)
            assert folders.labels(layer).exists()
            card = json.loads((folders.reader("l2el") / "mapper.json").read_text())
            assert (card["layer"], card["slots"]) == (layer, 3 if layer == 0 else 4)
            assert folders.reader("prompt-only").exists() == (layer == 1)
    assert not (made / "second" / "heldout").exists() and not (made / "second" / "work" / "splits").exists()


def test_the_workbench_file_names_everything_and_opens(made: Path) -> None:
    opened = workbench.load(made / "workbench.toml")
    assert list(opened.subjects) == ["tiny", "tiny-second"] and opened.embedder == "embedder"
    assert list(opened.saes) == ["l1", "l0", "second-l1", "second-l0"]
    assert set(opened.readers) == {
        *("l2el", "l2el-paper", "l2el-l0"),
        *("second-l2el", "second-l2el-paper", "second-l2el-l0"),
        *("selfie", "patchscopes"),
    }
    assert opened.readers["second-l2el"].prompt_only == "second/readers/prompt-only"
    assert opened.readers["second-l2el-l0"].sae == "second-l0" and not opened.readers["second-l2el-l0"].prompt_only
    for entry in (*opened.saes.values(), *opened.readers.values()):
        assert (made / entry.path).is_dir()


def test_a_workbench_file_that_is_there_is_kept(made: Path) -> None:
    file = made / "workbench.toml"
    written = file.read_text()
    try:
        file.write_text("mine")
        name_parts(open_folder(made))
        assert file.read_text() == "mine"
    finally:
        file.write_text(written)


def test_a_float16_autoencoder_is_the_same_to_sae_lens(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn of deprecations
        import sae_lens

    folder = made / "saes" / "L0"
    ours, theirs = saes.load(folder, name="l0", subject="tiny", layer=0), sae_lens.SAE.load_from_disk(folder)
    x = torch.randn(5, 32)
    assert torch.allclose(ours.encode(x), theirs.encode(x).to_dense(), atol=1e-6)


def test_a_finished_chain_does_nothing_again(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
    given = prepare(made / "recipe.toml", made, "", made / "nowhere")
    assert all("before" in step.message for step in STAGES["pocket"](given))
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}


def test_what_ships_is_copied_once_with_the_documents(made: Path, tmp_path: Path) -> None:
    for _ in run_assemble(made, tmp_path):
        pass
    assert (tmp_path / "heldout" / "test.jsonl").exists() and (tmp_path / "second" / "subject").is_dir()
    assert (tmp_path / "embedder" / "model.safetensors").exists() and not list(tmp_path.rglob("work"))
    assert [one.recipe.name for one in open_folder(tmp_path)] == ["tiny", "tiny-second"]


def test_a_missing_part_is_named(made: Path, tmp_path: Path) -> None:
    for _ in run_assemble(made, tmp_path):
        pass
    (tmp_path / "second" / "labels" / "L0.jsonl").unlink()
    with pytest.raises(WorkbenchError, match=r"second/labels/L0\.jsonl"):
        list(run_assemble(tmp_path, tmp_path / "again"))


def test_layers_and_subjects_that_are_not_there_are_explained(made: Path) -> None:
    opened = open_folder(made)
    assert choose(opened, "second") == choose(opened, "tiny-second") == opened[1:]
    with pytest.raises(BadInput, match="tiny-second"):
        choose(opened, "third")
    with pytest.raises(BadInput, match="1, 0"):
        opened[0].recipe.at(7)


def test_what_differs_at_other_layers_is_checked(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[others]\nlayers = [1]\n[others.sae]\nlatent = 3\n")
    with pytest.raises(RecipeError, match="latent"):
        load_recipe(tmp_path / "recipe.toml").at(1)
    assert Recipe().at(3) == Recipe()


def test_a_further_subject_has_no_corpus_of_its_own(tmp_path: Path) -> None:
    file = _recipes(tmp_path / "recipes")
    second = file.parent / "second" / "recipe.toml"
    second.write_text(second.read_text() + "[corpus.megabytes]\nstories = 1.0\n")
    with pytest.raises(RecipeError, match="corpus"):
        open_for_training(file, tmp_path / "out")


def test_one_layer_of_one_subject_is_what_the_flags_mean(made: Path) -> None:
    given = prepare(made / "recipe.toml", made, "second", made, layer=0)
    assert [(recipe.name, recipe.sae.layer, folders.suffix) for recipe, folders in given.parts()] == [
        ("tiny-second", 0, "-L0")
    ]


def test_the_bundled_workbench_file_names_what_its_recipe_makes() -> None:
    file = workbench.locate("pocket")
    named = tomllib.loads(file.read_text())
    saes = {entry["path"] for entry in named["saes"].values()}
    there = {path.parent for path in file.parent.rglob("sae_weights.safetensors")}
    assert {file.parent / path for path in saes} == there
