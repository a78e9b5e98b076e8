"""The mapper's two forms against the formulas written out slot by slot, and its files."""

from pathlib import Path

import pytest
import torch

from backends.engine.readers.soft_prompt import MapperCard, SoftPromptMapper
from investigator.errors import WorkbenchError


def _mapper(form: str) -> SoftPromptMapper:
    card = MapperCard(form=form, slots=3, width=5, layer=2, sae="s")  # type: ignore[arg-type]
    mapper = SoftPromptMapper(card, mean=torch.arange(5.0), embedding_norm=7.0, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in mapper.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return mapper


def test_paper_form_is_gain_times_activation_plus_bias() -> None:
    mapper = _mapper("paper")
    h = torch.randn(4, 5)
    soft = mapper(h)
    assert soft.shape == (4, 3, 5)
    for row in range(4):
        for slot in range(3):
            torch.testing.assert_close(soft[row, slot], mapper.gamma[slot] * h[row] + mapper.bias[slot])


@pytest.mark.parametrize("form", ["directional", "slotwise"])
def test_directional_forms_forget_the_length_and_keep_the_direction(form: str) -> None:
    mapper = _mapper(form)
    h = torch.randn(4, 5)
    away = h - torch.arange(5.0)
    soft = mapper(h)
    for row in range(4):
        unit = away[row] / (away[row] ** 2).sum().sqrt()
        for slot in range(3):
            matrix = mapper.matrix[slot] if form == "slotwise" else mapper.matrix
            expected = 7.0 * mapper.gamma[slot] * (matrix @ unit) + mapper.bias[slot]
            torch.testing.assert_close(soft[row, slot], expected)
    torch.testing.assert_close(mapper(torch.arange(5.0) + 3 * away), soft)


@pytest.mark.parametrize("form", ["directional", "slotwise"])
def test_directional_forms_at_the_mean_are_the_blind_prompt(form: str) -> None:
    mapper = _mapper(form)
    torch.testing.assert_close(mapper(torch.arange(5.0)[None]), mapper.blind())


@pytest.mark.parametrize("form", ["paper", "directional", "slotwise"])
def test_saved_and_loaded_it_maps_to_the_same_bits(form: str, tmp_path: Path) -> None:
    mapper = _mapper(form)
    mapper.save(tmp_path)
    loaded = SoftPromptMapper.load(tmp_path)
    h = torch.randn(4, 5)
    assert torch.equal(mapper(h), loaded(h))
    assert loaded.card == mapper.card


def test_truncated_missing_and_misshapen_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"mapper\.json"):
        SoftPromptMapper.load(tmp_path)
    _mapper("paper").save(tmp_path)
    weights = tmp_path / "mapper.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        SoftPromptMapper.load(tmp_path)
    weights.write_bytes(whole)
    card = tmp_path / "mapper.json"
    card.write_text(card.read_text().replace('"slots": 3', '"slots": 4'))
    with pytest.raises(WorkbenchError, match="cannot be read"):
        SoftPromptMapper.load(tmp_path)
    card.write_text("{")
    with pytest.raises(WorkbenchError, match=r"mapper\.json"):
        SoftPromptMapper.load(tmp_path)
