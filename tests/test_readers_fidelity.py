"""Fidelity against formulas and plain passes: what a reconstructor brings back, and what its controls do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import reader_tools as tools
import torch
from safetensors.torch import load_file, save_file

import tiny
from investigator.errors import WorkbenchError
from investigator.sources import Residual
from investigator.wire import Explain

TEXT = "references to capital cities of France"


def _explained(engine: Any) -> Any:
    ids = tuple(engine.parts.subject().encode("The capital of France is Paris"))
    return tiny.ask(engine, Explain(Residual("", ids, tiny.LAYER, -1), "av", samples=3, max_tokens=10, controls=False))


def _bench(folder: Path, reconstructor: str, family: str = "llama") -> tiny.Tiny:
    bench = tools.make_bench(folder, family)
    tools.make_nla(folder / "av", family)
    tools.add_reader(bench, "av", "nla", "av", reconstructor=reconstructor)
    return bench


def _slow(model: Any, tokenizer: Any, head: torch.Tensor, text: str, *, norm: bool = False) -> torch.Tensor:
    """The output of the last of its blocks at the prompt's last token, through the head."""
    ids = torch.tensor([tokenizer(tools.AR.format(explanation=text.strip()))["input_ids"]])
    kept: list[torch.Tensor] = []
    block = tools.blocks(model)[tiny.LAYER]
    hook = block.register_forward_hook(lambda _m, _a, out: kept.append(out[0] if isinstance(out, tuple) else out))
    with torch.no_grad():
        model(ids)
    hook.remove()
    return head @ kept[0][0, -1]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_released_reconstructor_reads_the_last_token_without_a_final_norm(family: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from backends.engine.readers.reconstructor import reconstructor_of

    bench = _bench(tmp_path, "ar", family)
    tools.make_reconstructor(tmp_path / "ar", family)
    engine = tiny.make_engine(bench)
    found = reconstructor_of(engine, "av")
    assert found is not None
    texts = [TEXT, "cats", "  a much longer text about cats and dogs and horses \n"]
    vectors = {i: v for indices, rows in found.reconstruct(texts) for i, v in zip(indices, rows, strict=True)}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ar")
    whole = tiny.save_model(tmp_path / "whole", family, len(tokenizer), context=tools.CONTEXT, seed=6).eval()
    head = load_file(tmp_path / "ar" / "value_head.safetensors")["weight"]
    for index, text in enumerate(texts):
        torch.testing.assert_close(vectors[index], _slow(whole, tokenizer, head, text), atol=1e-4, rtol=1e-4)


def test_every_drawn_text_has_its_fidelity_with_controls(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "ar")
    tools.make_reconstructor(tmp_path / "ar")
    engine = tiny.make_engine(bench)
    rows = _explained(engine).rows
    background = load_file(bench.statistics / "layers.safetensors")["background"][tiny.LAYER].double()
    unit = background / background.norm(dim=-1, keepdim=True)
    variance = float(1 - (unit.mean(0) ** 2).sum())
    mean = load_file(bench.statistics / "layers.safetensors")["mean"][tiny.LAYER]
    ids = tuple(engine.parts.subject().encode("The capital of France is Paris"))
    v = engine.parts.subject().capture(ids)[tiny.LAYER, -1]
    assert rows
    for row in rows:
        one = row.fidelity
        assert one is not None and one.error is None
        assert one.variance == pytest.approx(variance)
        assert one.fve == pytest.approx(1 - 2 * (1 - one.cosine) / variance)
        named = {control.name: control for control in one.controls}
        at_mean = float(torch.nn.functional.cosine_similarity(mean.double(), v.double(), dim=0))
        assert named["mean vector"].cosine == pytest.approx(at_mean, abs=1e-6)
        assert named["random text"].count == 16
        assert ("shuffled words" in named) == (len(row.text.split()) > 1)
        assert "512 background activations of layer 2" in one.baseline


def test_an_adapter_and_a_lora_file_are_reconstructors_over_the_subject(tmp_path: Path) -> None:
    import json

    from backends.engine.readers.reconstructor import reconstructor_of

    bench = _bench(tmp_path, "ar")
    tools.make_adapter(tmp_path / "ar", tmp_path / "subject", seed=9)
    head = torch.eye(tiny.WIDTH) * 2
    save_file({"weight": head}, tmp_path / "ar" / "value_head.safetensors")
    tokenizer = tools.marked_tokenizer(tmp_path / "other")
    tools.write_sidecar(tmp_path / "ar", tools.sidecar(tokenizer, role="ar"))
    engine = tiny.make_engine(bench)
    found = reconstructor_of(engine, "av")
    assert found is not None
    ((_, vectors),) = found.reconstruct([TEXT])
    model = tools.merged(tmp_path / "subject", tmp_path / "ar")
    slow = _slow(model, engine.parts.subject().tokenizer, head, TEXT)
    torch.testing.assert_close(vectors[0], slow, atol=1e-4, rtol=1e-4)
    # The same factors as one file, rank-stabilised: alpha / sqrt(r) is what alpha / r was.
    stored = load_file(tmp_path / "ar" / "adapter_model.safetensors")
    easy = tmp_path / "easy"
    easy.mkdir()
    inner = {
        key.replace("base_model.model.", "backbone.").replace(".weight", ".default.weight"): value
        for key, value in stored.items()
        if not any(f".{layer}." in key for layer in range(tiny.LAYER + 1, tiny.LAYERS)) and "lm_head" not in key
    }
    save_file({**inner, "value_head.weight": head}, easy / "ar_lora_value_head.safetensors")
    targets = sorted({key.split(".lora_")[0].split(".")[-1] for key in inner})
    card = {"ar_num_layers": tiny.LAYER + 1, "lora_r": 4, "lora_alpha": 4, "target_modules": targets}
    (easy / "ar_meta.json").write_text(json.dumps(card | {"final_norm_stripped": True, "quant": "none"}))
    tools.write_sidecar(easy, tools.sidecar(tokenizer, role="ar"))
    bench.file.write_text(bench.file.read_text().replace('reconstructor = "ar"', 'reconstructor = "easy"'))
    again = reconstructor_of(tiny.make_engine(bench), "av")
    assert again is not None
    ((_, others),) = again.reconstruct([TEXT])
    torch.testing.assert_close(others[0], slow, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ({"role": "av"}, "is a verbalizer"),
        ({"d_model": 48}, "gives vectors of width 48"),
        ({"extraction_layer_index": 1}, "trained on layer 1"),
        ({"prompt_templates": {"ar": "nothing"}}, "has no {explanation}"),
    ],
)
def test_reconstructors_that_do_not_fit_are_sentences(break_it: dict[str, Any], said: str, tmp_path: Path) -> None:
    bench = _bench(tmp_path, "ar")
    tools.make_reconstructor(tmp_path / "ar", **{key: value for key, value in break_it.items() if key != "role"})
    if "role" in break_it:
        table = tools.sidecar(tools.marked_tokenizer(tmp_path / "other"))
        tools.write_sidecar(tmp_path / "ar", table)
    with pytest.raises(WorkbenchError) as caught:
        _explained(tiny.make_engine(bench))
    assert said in str(caught.value)
