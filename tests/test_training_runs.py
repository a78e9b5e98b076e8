"""The language model and the autoencoder: resuming, chunked loss, hand-written gradients, directories that open."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_corpus import RECIPE, make_corpus
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from backends.engine.dtypes import fastest_matmul_dtype
from backends.engine.training.chunked_loss import IGNORED, chunked_cross_entropy
from backends.engine.training.compression import document_bits
from backends.engine.training.folders import Folders, write_atomically, write_json
from backends.engine.training.language_model import run_language_model
from backends.engine.training.optimisers import linear_decay, orthogonalise
from backends.engine.training.recipe import Recipe, RecipeError, load_recipe
from backends.engine.training.rows import run_rows
from backends.engine.training.sae import run_sae
from backends.engine.training.splits import run_splits
from backends.engine.training.tokenizer import run_tokenizer
from backends.engine.training.topk_trainer import Gradients, TopKTrainer, Weights, select


def _prepare(root: Path, corpus: Path) -> tuple[Recipe, Folders]:
    (root / "recipe.toml").write_text(RECIPE)
    recipe, folders = load_recipe(root / "recipe.toml"), Folders(root)
    list(run_splits(recipe, folders, corpus=corpus))
    list(run_tokenizer(recipe, folders))
    list(run_rows(recipe, folders, corpus=corpus))
    return recipe, folders


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recipe, Folders, Path]]:
    """A tiny workbench trained without interruption."""
    corpus = make_corpus(tmp_path_factory.mktemp("corpus"))
    recipe, folders = _prepare(tmp_path_factory.mktemp("whole"), corpus)
    list(run_language_model(recipe, folders))
    list(run_sae(recipe, folders))
    yield recipe, folders, corpus


def test_a_killed_run_goes_on_to_the_same_weights(trained: tuple[Recipe, Folders, Path], tmp_path: Path) -> None:
    _, whole, corpus = trained
    recipe, folders = _prepare(tmp_path, corpus)
    for stage in (run_language_model, run_sae):
        # A generator that is dropped half way leaves what a killed process leaves: the last checkpoint.
        list(islice(stage(recipe, folders), 5))
        list(stage(recipe, folders))
    for path in (whole.subject / "model.safetensors", whole.sae(1) / "sae_weights.safetensors"):
        expected, found = load_file(path), load_file(folders.root / path.relative_to(whole.root))
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_checkpoint_of_another_recipe_is_refused(trained: tuple[Recipe, Folders, Path], tmp_path: Path) -> None:
    recipe, folders = _prepare(tmp_path, trained[2])
    list(islice(run_language_model(recipe, folders), 3))
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("mlp_width = 32", "mlp_width = 48"))
    with pytest.raises(RecipeError, match="another recipe"):
        list(run_language_model(load_recipe(tmp_path / "recipe.toml"), folders))


def test_training_lowers_the_loss_and_reports_it(trained: tuple[Recipe, Folders, Path], tmp_path: Path) -> None:
    recipe, folders = _prepare(tmp_path, trained[2])
    losses = [
        progress.figures["loss"] for progress in run_language_model(recipe, folders) if "loss" in progress.figures
    ]
    assert losses[-1] < losses[0] - 0.3


def test_subject_opens_with_transformers(trained: tuple[Recipe, Folders, Path]) -> None:
    folders = trained[1]
    model = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folders.subject)
    assert model.config.tie_word_embeddings and model.config.bos_token_id == tokenizer.bos_token_id
    assert load_file(folders.subject / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16


def test_document_bits_equal_a_slow_count(trained: tuple[Recipe, Folders, Path]) -> None:
    folders = trained[1]
    model = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folders.subject)
    texts = ["the river.", "a cat and a dog by the water", "é"]
    for text, (bits, count) in zip(texts, document_bits(model, tokenizer, texts), strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        logs = model(ids).logits[0].detach().log_softmax(-1)
        slow = -sum(float(logs[place - 1, ids[0, place]]) for place in range(1, ids.shape[1])) / 0.6931471805599453
        assert bits == pytest.approx(slow, rel=1e-4)
        assert count == len(text.encode())


def test_chunked_loss_and_gradients_equal_the_full_ones() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(37, 12, requires_grad=True), torch.randn(50, 12, requires_grad=True)
    targets = torch.randint(0, 50, (37,))
    targets[[3, 20]] = IGNORED
    full = functional.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORED)
    wanted = torch.autograd.grad(full * 3.0, [hidden, weight])
    loss = chunked_cross_entropy(hidden, weight, targets, 8, torch.float32)
    found = torch.autograd.grad(loss * 3.0, [hidden, weight])
    assert float(loss.detach()) == pytest.approx(float(full.detach()), rel=1e-5)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((2, 24, 40), (2, 40, 24)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape), torch.float32))
        assert values.min() > 0.5 and values.max() < 1.4


def test_learning_rate_warms_up_holds_and_decays() -> None:
    factors = [linear_decay(step, 100, 10, 0.5) for step in (0, 9, 30, 75, 100)]
    assert factors == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])


def test_hand_written_sae_gradients_equal_autograd() -> None:
    generator = torch.Generator().manual_seed(2)
    weights = Weights.initial(10, 30, generator)
    weights.b_enc.add_(0.05)
    weights.b_dec.add_(0.1)
    x = torch.randn(16, 10, generator=generator)
    tensors = [tensor.clone().requires_grad_() for tensor in weights.all()]
    encoder, bias, decoder, decoder_bias = tensors
    values, places = ((x - decoder_bias) @ encoder + bias).topk(3, dim=-1)
    active = torch.zeros(16, 30).scatter(1, places, values.relu())
    loss = (x - active @ decoder - decoder_bias).square().sum()
    wanted = torch.autograd.grad(loss, tensors)
    latents, chosen = select(weights.preactivations(x, torch.float32), 3)
    error = -2.0 * (x - weights.decode(latents, chosen) - weights.b_dec)
    gradients = Gradients.zeros(weights)
    gradients.add(weights, x, latents, chosen, error, torch.float32)
    gradients.parts[3] += error.sum(0)
    for one, other in zip(gradients.parts, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_dead_latents_are_revived_and_rows_keep_unit_norm() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = Weights.initial(8, 32, generator)
    weights.b_enc[16:] = -2.0
    trainer = TopKTrainer(
        weights, k=2, rate=0.02, auxiliary_k=8, auxiliary_weight=1.0, dead_tokens=512, dtype=torch.float32
    )
    data = torch.randn(256, 8, generator=generator)
    shares = [trainer.step(data, 1.0) for _ in range(3)]
    dead = int(trainer.dead.sum())
    assert dead >= 12
    shares += [trainer.step(data, 1.0) for _ in range(400)]
    assert int(trainer.dead.sum()) < dead // 2
    assert shares[-1] < shares[0]
    torch.testing.assert_close(weights.W_dec.norm(dim=1), torch.ones(32))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # sae-lens imports modules that its own needs deprecate
def test_sae_directory_equals_sae_lens(trained: tuple[Recipe, Folders, Path]) -> None:
    from sae_lens import SAE

    folders = trained[1]
    loaded = SAE.load_from_disk(folders.sae(1))
    assert loaded.cfg.metadata.hook_name == "blocks.1.hook_resid_post"
    parts = load_file(folders.sae(1) / "sae_weights.safetensors")
    x = torch.randn(20, 16) * 3.0 + 1.0
    own = (x - parts["b_dec"]) @ parts["W_enc"] + parts["b_enc"]
    latents, values = select(own, 4)
    dense = torch.zeros(20, 64).scatter_(1, latents, values)
    assert torch.equal(loaded.encode(x).detach(), dense)
    torch.testing.assert_close(loaded.decode(dense).detach(), dense @ parts["W_dec"] + parts["b_dec"])


def test_sae_figures_are_written(trained: tuple[Recipe, Folders, Path]) -> None:
    folders = trained[1]
    figures = json.loads(folders.figures("sae").read_text())["figures"]
    assert 0 < figures["variance_unexplained"] < 1.5
    assert 0 <= figures["silent_share"] < 1 and 0 < figures["active_latents"] <= 4
    assert json.loads(folders.figures("language-model").read_text())["figures"]["tokens"] > 0


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(OSError, match="full"):
        write_atomically(path, _fail)
    assert path.read_text() == '{\n "a": 1.0\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def _fail(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


def test_matmul_speeds_are_measured_once() -> None:
    speeds = fastest_matmul_dtype()
    assert speeds.float32 > 0 and speeds.bfloat16 > 0
    assert speeds.fastest in (torch.float32, torch.bfloat16)
    assert fastest_matmul_dtype() is speeds
