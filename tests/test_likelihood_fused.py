"""Fused blocks and the faster library's products against the model's own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from test_likelihood_grid import SHARED, assert_equal, many, prompts, reference
from torch.nn import functional

import tiny
from backends.engine.likelihood import best_sources, grid_table, make_plan, products, score_text_at
from backends.engine.likelihood.fused import fused_of
from backends.engine.likelihood.head import log_probs
from backends.engine.subject import Subject

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "grouped": ("llama", {"num_key_value_heads": 2}),
    "own keys": ("llama", {"num_key_value_heads": 4}),
    "one key head": ("llama", {"num_key_value_heads": 1}),
    "biased": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "untied": ("llama", {"tie_word_embeddings": False}),
    "wide heads": ("llama", {"head_dim": 16}),
    "stretched": ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 3.0}}),
    "qwen2": ("qwen2", {}),
    "qwen2 with windows": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
    ),
}


@pytest.fixture(params=[True, False], ids=["oneDNN", "BLAS"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not torch._C._has_mkldnn:
        request.param = False
    monkeypatch.setattr(products, "uses_onednn", lambda: request.param)
    return bool(request.param)


def make(folder: Path, family: str = "llama", **given: Any) -> Subject:
    """Return a random model whose norms and biases are not those it is born with."""
    fast = tiny.save_tokenizer(folder)
    config = tiny.config(family, len(fast))
    config = type(config)(**{**config.to_dict(), **given})
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = "norm" in name
            parameter.normal_(1.0 if norm else 0.0, 0.3 if norm else 0.15)
    return Subject("tiny", model.eval(), fast)


@pytest.mark.parametrize("shape", SHAPES)
def test_fused_blocks_score_as_the_models_own(tmp_path: Path, shape: str, library: bool) -> None:
    family, given = SHAPES[shape]
    subject = make(tmp_path, family, **given)
    assert fused_of(subject) is not None
    soft, texts = prompts(2), SHARED + many(60, seed=4)
    assert_equal(subject, soft, texts, grid_table(subject, soft, texts))
    found = torch.cat([scores for _, scores in score_text_at(subject, soft, (5, 6, 7, 8, 9))])
    *_, best = best_sources(subject, soft, (5, 6, 7, 8, 9), 2)
    expected = torch.tensor([reference(subject, one, (5, 6, 7, 8, 9)) for one in soft], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(best.scores, expected[best.sources], rtol=0, atol=1e-4)


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    subject, soft = make(tmp_path), prompts(1)
    before = grid_table(subject, soft, SHARED)
    with torch.no_grad():
        subject.model.model.layers[1].mlp.up_proj.weight.mul_(1.5)
    after = grid_table(subject, soft, SHARED)
    assert not torch.allclose(before, after)
    assert_equal(subject, soft, SHARED, after)


@pytest.mark.parametrize("family", ["gpt2", "qwen3", "gemma2"])
def test_other_families_keep_their_own_code(tmp_path: Path, family: str) -> None:
    assert fused_of(tiny.load_subject(tiny.make_subject(tmp_path, family))) is None


@pytest.mark.parametrize(
    "given", [{"hidden_act": "gelu"}, {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}]
)
def test_what_is_not_known_exactly_keeps_its_own_code(tmp_path: Path, given: dict[str, Any]) -> None:
    rope = given.get("rope_parameters")
    assert (
        fused_of(make(tmp_path, **(given | ({"rope_parameters": rope | {"rope_theta": 1e4}} if rope else {})))) is None
    )


def test_half_precision_keeps_its_own_code(tmp_path: Path) -> None:
    subject = make(tmp_path)
    subject.model.to(torch.bfloat16)
    assert fused_of(Subject("half", subject.model, subject.tokenizer)) is None


@pytest.mark.parametrize("scale", [1.0, 40.0, 4000.0])
def test_logits_of_any_size_are_normalised(tmp_path: Path, scale: float) -> None:
    subject = make(tmp_path)
    hidden = scale * torch.randn(9, tiny.WIDTH, generator=torch.Generator().manual_seed(0))
    at, tokens = torch.arange(9).repeat_interleave(2), torch.arange(18)
    with torch.inference_mode():
        expected = subject.head(hidden).double().log_softmax(-1)[at, tokens]
        found = log_probs(subject, hidden, at, tokens)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_products_of_either_library_are_those_of_float64(library: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((70, 48), (96, 48), (96,)))
    expected = functional.linear(x.double(), weight.double(), bias.double()).float()
    with torch.inference_mode(), products.fast_products():
        assert (functional.linear(x, weight, bias) - expected).abs().max() < 1e-4
    packed = products.packed_weight(weight)
    assert packed.is_mkldnn == library
    assert (products.packed_product(x, packed, bias) - expected).abs().max() < 1e-4


def test_a_plan_of_many_steps_is_walked_by_fused_blocks(tmp_path: Path) -> None:
    subject, soft, texts = make(tmp_path), prompts(1), many(200)
    assert len(make_plan(texts, tokens_a_step=64).steps) > 3
    assert_equal(subject, soft, texts[:40], grid_table(subject, soft, texts)[:, :40])
