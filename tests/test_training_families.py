"""Every family goes through the same stages: its directory opens, its blocks are read and cut, its slots stand."""

from pathlib import Path

import msgspec
import pytest
import torch
from tiny_corpus import RECIPE, make_corpus
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from backends.engine.training.contexts import Contexts
from backends.engine.training.families import embedding_names, new_model
from backends.engine.training.folders import Folders
from backends.engine.training.language_model import build_model, make_optimisers, run_language_model
from backends.engine.training.parts import TrainedSubject
from backends.engine.training.recipe import Recipe, load_recipe
from backends.engine.training.rows import run_rows
from backends.engine.training.sae import run_sae
from backends.engine.training.soft_likelihood import Prompt, SoftLikelihood, pad_targets
from backends.engine.training.splits import run_splits
from backends.engine.training.tokenizer import run_tokenizer


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Folders]:
    """A tiny GPT-2 and its autoencoder, made by the stages."""
    corpus, root = make_corpus(tmp_path_factory.mktemp("corpus")), tmp_path_factory.mktemp("gpt2")
    (root / "recipe.toml").write_text(RECIPE.replace("[language_model]", '[language_model]\nfamily = "gpt2"'))
    recipe, folders = load_recipe(root / "recipe.toml"), Folders(root)
    list(run_splits(recipe, folders, corpus=corpus))
    list(run_tokenizer(recipe, folders))
    list(run_rows(recipe, folders, corpus=corpus))
    losses = [step.figures["loss"] for step in run_language_model(recipe, folders) if "loss" in step.figures]
    assert losses[-1] < losses[0] - 0.3
    list(run_sae(recipe, folders))
    return recipe, folders


def test_a_gpt2_subject_opens_with_transformers(gpt2: tuple[Recipe, Folders]) -> None:
    recipe, folders = gpt2
    model = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32)
    assert type(model).__name__ == "GPT2LMHeadModel" and model.config.n_embd == recipe.language_model.width
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.config.eos_token_id == AutoTokenizer.from_pretrained(folders.subject).eos_token_id
    assert (folders.sae(recipe.sae.layer) / "sae_weights.safetensors").exists()


def test_its_residuals_are_its_hidden_states_also_where_it_is_cut_off(gpt2: tuple[Recipe, Folders]) -> None:
    folders = gpt2[1]
    ids = torch.randint(5, 60, (2, 9))
    model = AutoModelForCausalLM.from_pretrained(folders.subject, dtype=torch.float32).eval()
    expected = model(ids, output_hidden_states=True).hidden_states[1]
    for layers in (1, None):
        subject = TrainedSubject.load(folders.subject, device="cpu", dtype="float32", layers=layers)
        found = subject.residuals(ids)
        assert len(found) == (layers or model.config.n_layer)
        torch.testing.assert_close(found[0], expected.detach())


def test_its_slots_stand_at_the_positions_after_the_text(gpt2: tuple[Recipe, Folders]) -> None:
    # Positions are learned, so a slot at another position would get another score.
    subject = TrainedSubject.load(gpt2[1].subject, device="cpu", dtype="float32")
    label, texts = [5, 6, 7], [[1, 8, 9, 10, 11], [1, 12]]
    likelihood, soft = SoftLikelihood(subject, pad_targets([label])), torch.randn(1, 3, subject.width)
    ids = torch.tensor([text + [0] * (5 - len(text)) for text in texts])
    contexts = Contexts(ids, torch.tensor([len(text) for text in texts]))
    scores = likelihood.scores(Prompt(soft, contexts), torch.tensor([0, 0]))
    embed = subject.model.get_input_embeddings()
    for row, text in enumerate(texts):
        inputs = torch.cat([embed(torch.tensor([text])), soft, embed(torch.tensor([label]))], dim=1)
        logits = subject.model(inputs_embeds=inputs).logits[0].log_softmax(-1)
        expected = sum(float(logits[len(text) + 2 + place, token]) for place, token in enumerate(label)) / 3
        assert float(scores[row]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_matrices_go_to_muon_and_what_is_looked_up_to_adam(family: str, gpt2: tuple[Recipe, Folders]) -> None:
    shape = msgspec.structs.replace(gpt2[0].language_model, family=family)
    model = new_model(shape, vocab_size=50)
    muon, adam = make_optimisers(model, shape, torch.float32)
    embeddings = embedding_names(model)
    assert len(embeddings) == (2 if family == "gpt2" else 1)
    named = dict(model.named_parameters())
    looked_up = {id(named[name]) for name in embeddings}
    stepped = [parameter for group in muon.param_groups for parameter in group["params"]]
    others = [parameter for group in adam.param_groups for parameter in group["params"]]
    assert all(parameter.ndim == 2 and id(parameter) not in looked_up for parameter in stepped)
    assert looked_up <= set(map(id, others)) and len(stepped) + len(others) == len(named)


def test_a_llama_of_a_seed_is_the_one_that_transformers_makes(gpt2: tuple[Recipe, Folders]) -> None:
    recipe, folders = gpt2
    shape = msgspec.structs.replace(recipe.language_model, family="llama")
    tokenizer = AutoTokenizer.from_pretrained(folders.subject)
    found = build_model(shape, tokenizer).state_dict()
    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    expected = LlamaForCausalLM(config).state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[language_model]\nfamily = "mamba"\n')
    with pytest.raises(Exception, match="not valid"):
        load_recipe(tmp_path / "recipe.toml")
