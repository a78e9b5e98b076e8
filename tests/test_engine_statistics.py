"""Statistics files: read as they are, refused where they do not fit, zeros where there are none."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from backends.engine.statistics import LatentStatistics, LayerStatistics
from investigator.errors import WorkbenchError


def test_layer_statistics_come_back_as_float32(tmp_path: Path) -> None:
    file = tiny.make_statistics(tmp_path) / "layers.safetensors"
    stored = load_file(file)
    save_file({**stored, "background": stored["background"].half()}, file)
    found = LayerStatistics.read(file, layers=tiny.LAYERS, width=tiny.WIDTH)
    assert torch.equal(found.mean, stored["mean"])
    assert found.background.dtype == torch.float32 and found.background.shape == (tiny.LAYERS, 512, tiny.WIDTH)
    expected = found.background[1].norm(dim=-1).mean()
    assert found.norm(1) == pytest.approx(float(expected))


def test_layer_statistics_of_another_model_are_refused(tmp_path: Path) -> None:
    file = tiny.make_statistics(tmp_path) / "layers.safetensors"
    with pytest.raises(WorkbenchError, match="6 layers of width 32"):
        LayerStatistics.read(file, layers=6, width=32)
    save_file({"mean": torch.zeros(2, 2)}, file)
    with pytest.raises(WorkbenchError, match="lacks background, covariance"):
        LayerStatistics.read(file, layers=2, width=2)


def test_contexts_are_found_by_latent(tmp_path: Path) -> None:
    folder = tiny.make_statistics(tmp_path) / f"L{tiny.LAYER}"
    found = LatentStatistics(tiny.LATENTS, folder)
    assert found.contexts(5)[0].tokens == [5, 6, 7, 8]
    assert found.contexts(5)[0].peak == 1
    assert found.contexts(10_000) == []


def test_without_statistics_everything_is_zero_and_says_so() -> None:
    found = LatentStatistics(7)
    assert not found.measured and found.rate.tolist() == [0.0] * 7 and found.contexts(0) == []
    assert found.histogram_edges is None and found.fingerprint == ""


def test_statistics_of_another_sae_are_refused(tmp_path: Path) -> None:
    folder = tiny.make_statistics(tmp_path) / f"L{tiny.LAYER}"
    with pytest.raises(WorkbenchError, match="no 'rate' for 5 latents"):
        LatentStatistics(5, folder)


def test_broken_contexts_are_a_sentence(tmp_path: Path) -> None:
    folder = tiny.make_statistics(tmp_path) / f"L{tiny.LAYER}"
    packed = folder / "contexts.jsonl.xz"
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(WorkbenchError, match=r"contexts\.jsonl\.xz cannot be read"):
        LatentStatistics(tiny.LATENTS, folder).contexts(1)
