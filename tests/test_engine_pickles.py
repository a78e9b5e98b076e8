"""No pickle is ever loaded: each is refused with how to convert it, and the code inside it does not run."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import tiny
from backends.engine import files, loading, pickles, saes
from backends.engine.facts import of_subject
from backends.engine.index.corpus_reading import Reading
from backends.engine.index.corpus_texts import _read
from backends.engine.readers.soft_prompt import SoftPromptMapper
from investigator.errors import BadInput, WorkbenchError
from investigator.settings import Backend
from investigator.workbench import SubjectEntry


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


def _trap(file: Path, mark: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(Trap(mark)))


def test_the_trap_is_one(tmp_path: Path, mark: Path) -> None:
    _trap(tmp_path / "x.bin", mark)
    pickle.loads((tmp_path / "x.bin").read_bytes())
    assert mark.exists()


def test_a_model_whose_weights_are_pickles_is_refused_with_how_to_convert_them(tmp_path: Path, mark: Path) -> None:
    bench = tiny.make_workbench(tmp_path / "bench")
    entry = SubjectEntry(model="subject")
    folder = loading.local_folder("subject", bench.file.parent)
    assert folder is not None
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    _trap(folder / "pytorch_model.bin", mark)
    for refused in (
        lambda: loading.load_subject("s", entry, bench.file.parent, Backend(device="cpu")),
        lambda: of_subject(entry, bench.file.parent),
    ):
        with pytest.raises(WorkbenchError, match=r"pickles \(pytorch_model.bin\)") as caught:
            refused()
        assert "save_pretrained" in caught.value.mend
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(WorkbenchError, match="no safetensors weights"):
        loading.load_subject("s", entry, bench.file.parent, Backend(device="cpu"))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["ae.pt", "sae.pth", "weights.bin", "sae.pkl"])
def test_an_sae_that_is_a_pickle_is_refused(tmp_path: Path, mark: Path, name: str) -> None:
    _trap(tmp_path / "sae" / name, mark)
    for path in (tmp_path / "sae", tmp_path / "sae" / name):
        with pytest.raises(WorkbenchError, match="is a pickle, which runs code") as caught:
            saes.load(path, name="s", subject="s", layer=0)
        assert "save_file" in caught.value.mend
    assert not mark.exists()


def test_a_release_that_sae_lens_would_unpickle_is_refused(
    tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its many loaders call torch.load; importing it takes seconds and says what pytest takes for an error.
    monkeypatch.setitem(sys.modules, "sae_lens", ModuleType("sae_lens"))
    _trap(tmp_path / "release.pt", mark)
    real = torch.load
    with pytest.raises(WorkbenchError, match="The SAE some/release is a pickle") as caught:
        saes.load_with_sae_lens(lambda _: torch.load(tmp_path / "release.pt", weights_only=False), "some/release", {})
    assert "save_model" in caught.value.mend
    assert torch.load is real and not mark.exists()


def test_readers_statistics_and_corpora_are_no_pickles_either(tmp_path: Path, mark: Path) -> None:
    _trap(tmp_path / "reader" / "mapper.pt", mark)
    with pytest.raises(WorkbenchError, match="is a pickle"):
        SoftPromptMapper.load(tmp_path / "reader")
    with pytest.raises(WorkbenchError, match="is a pickle"):
        files.tensors(tmp_path / "reader" / "mapper.pt")
    with pytest.raises(BadInput, match="named like a pickle"):
        list(_read(tmp_path / "reader" / "mapper.pt", Reading()))
    _trap(tmp_path / "params.npz", mark)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        saes.load(tmp_path / "params.npz", name="s", subject="s", layer=0)
    assert not mark.exists()


def test_code_that_a_model_brings_is_run_only_where_the_workbench_names_it() -> None:
    assert SubjectEntry(model="m").trust_remote_code is False
    assert pickles.is_pickle(Path("a.CKPT")) and not pickles.is_pickle(Path("a.safetensors"))
