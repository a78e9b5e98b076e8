"""SAEs: plain directories read here equal `SAE.load_from_disk`, and what does not fit is a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from backends.engine import saes
from investigator.errors import ScoreError, WorkbenchError

NAMES: dict[str, Any] = {"name": "L", "subject": "tiny", "layer": tiny.LAYER}
RESIDUALS = torch.randn(17, tiny.WIDTH, generator=torch.Generator().manual_seed(5))


def load(path: Path) -> saes.Sae:
    return saes.load(path, **NAMES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("architecture", "overrides"),
    [
        ("topk", {}),
        ("topk", {"apply_b_dec_to_input": False}),
        ("topk", {"rescale_acts_by_decoder_norm": True}),
        ("jumprelu", {}),
        ("jumprelu", {"apply_b_dec_to_input": False}),
        ("standard", {}),
    ],
)
def test_plain_reading_equals_sae_lens_bit_for_bit(
    architecture: str, overrides: dict[str, Any], tmp_path: Path
) -> None:
    import sae_lens

    path = tiny.make_sae(tmp_path, architecture, **overrides)
    reference, ours = sae_lens.SAE.load_from_disk(path), load(path)
    assert isinstance(ours, saes.PlainSae)
    with torch.inference_mode():
        assert torch.equal(reference.encode(RESIDUALS), ours.encode(RESIDUALS))
        assert torch.equal(reference.W_dec, ours.decoder)


@pytest.mark.filterwarnings("ignore")
def test_other_architectures_are_run_by_sae_lens(tmp_path: Path) -> None:
    import sae_lens

    config = sae_lens.saes.gated_sae.GatedSAEConfig(d_in=tiny.WIDTH, d_sae=tiny.LATENTS)
    made = sae_lens.SAE.from_dict(config.to_dict())
    with torch.no_grad():
        made.b_mag.normal_()
        made.b_gate.normal_()
    made.save_model(tmp_path)
    ours = load(tmp_path)
    assert isinstance(ours, saes.LensSae) and ours.kind == "gated"
    with torch.inference_mode():
        assert torch.equal(made.encode(RESIDUALS), ours.encode(RESIDUALS))
        pre, post = ours.forward(RESIDUALS)
    assert pre.shape == post.shape
    active = post > 0
    assert torch.equal(pre[active], post[active])


def test_gemma_scope_archives_are_jumprelu_on_the_raw_residual(tmp_path: Path) -> None:
    file = tiny.make_gemma_scope(tmp_path / "params.npz")
    weights = dict(np.load(file))
    pre = RESIDUALS.numpy() @ weights["W_enc"] + weights["b_enc"]
    expected = np.where(pre > weights["threshold"], np.maximum(pre, 0), 0)
    for path in (file, tmp_path):
        assert np.allclose(load(path).encode(RESIDUALS).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("architecture", ["topk", "jumprelu"])
def test_the_sparse_encoding_is_the_dense_one(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saes, "_VALUES_AT_ONCE", 4 * tiny.LATENTS)
    sae = load(tiny.make_sae(tmp_path, architecture))
    encoded = sae.encode_sparse(RESIDUALS)
    # The same four rows at a time, because a product's last bits may change with its shape.
    parts = [sae.forward(RESIDUALS[start : start + 4]) for start in range(0, len(RESIDUALS), 4)]
    pre, post = (torch.cat(column) for column in zip(*parts, strict=True))
    for position in range(len(RESIDUALS)):
        latents, activations, before = encoded.at(position)
        assert latents.tolist() == post[position].nonzero().flatten().tolist()
        assert activations.tolist() == post[position, latents].tolist()
        assert before.tolist() == pre[position, latents].tolist()


def test_a_nan_is_an_error_and_never_an_inactive_latent(tmp_path: Path) -> None:
    sae = load(tiny.make_sae(tmp_path))
    broken = RESIDUALS.clone()
    broken[3, 0] = float("nan")
    with pytest.raises(ScoreError, match="NaN"):
        sae.encode_sparse(broken)


def test_a_truncated_file_says_how_much_is_there(tmp_path: Path) -> None:
    path = tiny.make_sae(tmp_path)
    file = path / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(WorkbenchError, match=r"sae_weights.safetensors is cut short: it has 5,000 of [\d,]+ bytes"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tiny.make_sae(tmp_path)
    (path / "sae_weights.safetensors").write_bytes(content)
    with pytest.raises(WorkbenchError, match="no safetensors file"):
        load(path)


def test_weights_that_are_not_what_the_card_says_are_refused(tmp_path: Path) -> None:
    path = tiny.make_sae(tmp_path)
    card = json.loads((path / "cfg.json").read_text())
    (path / "cfg.json").write_text(json.dumps(card | {"d_sae": 7}))
    with pytest.raises(WorkbenchError, match="W_enc of shape"):
        load(path)


def test_a_missing_sae_names_its_table(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"Mend the path of \[saes.L\]"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkbenchError, match=r"cfg\.json"):
        load(tmp_path / "empty")


@pytest.mark.filterwarnings("ignore")
def test_an_unknown_release_is_a_sentence() -> None:
    with pytest.raises(WorkbenchError, match="sae-lens cannot load the SAE nobody/none"):
        saes.load_release("nobody", "none", **NAMES)


@pytest.mark.parametrize(
    ("hook", "layer"),
    [
        ("blocks.3.hook_resid_post", 3),
        ("blocks.3.hook_resid_pre", 2),
        ("somewhere", None),
    ],
)
def test_hook_points_name_the_block_whose_output_they_read(hook: str, layer: int | None) -> None:
    assert saes.hook_layer({"metadata": {"hook_name": hook}}) == (hook, layer)
    assert saes.hook_layer({"hook_name": hook}) == (hook, layer)
