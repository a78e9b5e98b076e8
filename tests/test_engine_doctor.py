"""The doctor: a line for everything that can be wrong, also where the engine cannot load the workbench."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tiny
from backends.engine.engine import WorkbenchEngine
from investigator.errors import WorkbenchError
from investigator.records import CheckRow
from investigator.wire import CheckWorkbench, Partial


def lines(file: Path) -> dict[str, CheckRow]:
    engine = WorkbenchEngine(file)
    resolved, provenance = engine.resolve(CheckWorkbench())
    assert engine.lane(resolved) == "fast" and provenance.parts == {}
    *partials, last = engine.run(resolved)
    assert [row for event in partials if isinstance(event, Partial) for row in event.rows] == list(last.result.rows)
    return {row.name: row for row in last.result.rows}


def test_a_whole_workbench_has_no_errors(tmp_path: Path) -> None:
    found = lines(tiny.make_workbench(tmp_path, "gemma2").file)
    assert {row.status for row in found.values()} <= {"ok", "warning"}
    assert "4 layers of width 32" in found["subject tiny"].message
    assert "are needed as float32" in found["subject tiny: memory"].message
    assert "5.66" in found["subject tiny: embedding scale"].message
    assert found["SAE L: hook point"].message == "blocks.2.hook_resid_post, the output of block 2."
    assert "64 of 96 latents (67%)" in found["SAE L: labels"].message
    assert "GFLOP/s" in found["dtype speed"].message
    assert found["subject tiny: BOS"].message.startswith("The tokenizer puts <|bos|>")
    assert found["reader mapper: label means"].status == "warning"


def cut(bench: tiny.Tiny) -> None:
    file = bench.subject / "model.safetensors"
    file.write_bytes(file.read_bytes()[:9000])


def narrow(bench: tiny.Tiny) -> None:
    tiny.make_sae(bench.sae, width=16)


def other_hook(bench: tiny.Tiny) -> None:
    tiny.make_sae(bench.sae, layer=1)


def no_description(bench: tiny.Tiny) -> None:
    tiny.write_labels(bench.labels, [{"index": "1"}])


def far_label(bench: tiny.Tiny) -> None:
    tiny.write_labels(bench.labels, [{"index": "5000", "description": "x"}])


def no_labels(bench: tiny.Tiny) -> None:
    bench.labels.unlink()


def foreign_statistics(bench: tiny.Tiny) -> None:
    tiny.make_statistics(bench.statistics, width=8, latents=5)


def other_reader(bench: tiny.Tiny) -> None:
    tiny.make_reader(bench.folder / "readers" / "mapper", subject=bench.subject, width=16)


def no_config(bench: tiny.Tiny) -> None:
    (bench.subject / "config.json").write_text("{}")


def no_reader(bench: tiny.Tiny) -> None:
    (bench.folder / "readers" / "mapper" / "mapper.json").unlink()


def unknown_model(bench: tiny.Tiny) -> None:
    bench.file.write_text(bench.file.read_text().replace('"subject"', '"nobody/no-such-model"'))


@pytest.mark.parametrize(
    ("harm", "line", "said"),
    [
        (cut, "subject tiny", "model.safetensors is cut short: it has 9,000 of"),
        (narrow, "SAE L", "width 16, but tiny has width 32"),
        (other_hook, "SAE L: hook point", "output of block 1, but the workbench says layer 2"),
        (no_description, "SAE L", "Row 1 of the labels"),
        (far_label, "SAE L: labels", "They name latent 5000, but there are 96"),
        (no_labels, "SAE L", r"L2\.jsonl cannot be read"),
        (foreign_statistics, "subject tiny: statistics", "not 4 layers of width 32"),
        (foreign_statistics, "SAE L: statistics", "are not there for 96 latents"),
        (other_reader, "reader mapper", "width 16, but tiny has width 32"),
        (no_reader, "reader mapper", r"mapper\.json cannot be read"),
        (no_config, "subject tiny", "names no width or no layers"),
        (unknown_model, "subject tiny", "'nobody/no-such-model' is not on this machine yet"),
    ],
)
def test_what_is_wrong_is_an_error_with_a_mend(
    harm: Callable[[tiny.Tiny], None], line: str, said: str, tmp_path: Path
) -> None:
    import re

    bench = tiny.make_workbench(tmp_path)
    harm(bench)
    found = lines(bench.file)
    assert found[line].status == "error" and found[line].mend
    assert re.search(said, found[line].message)
    assert "dtype speed" in found


def test_what_is_missing_is_a_warning(tmp_path: Path) -> None:
    found = lines(tiny.make_workbench(tmp_path, statistics=False, reader=False).file)
    for name in ("subject tiny: statistics", "SAE L: statistics"):
        assert found[name].status == "warning" and "train statistics" in found[name].mend


def test_a_subject_trained_with_bos_whose_tokenizer_adds_none(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    tiny.save_tokenizer(bench.subject, bos=False)
    assert "<|bos|> is put in front" in lines(bench.file)["subject tiny: BOS"].message


def test_a_reader_of_other_weights_is_a_warning(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    card = tmp_path / "readers" / "mapper" / "mapper.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"subject_fingerprint": "0" * 16}))
    assert lines(bench.file)["reader mapper: subject"].status == "warning"


def test_a_workbench_file_that_is_no_toml_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "workbench.toml"
    file.write_text("name = [")
    found = lines(file)
    assert found["workbench"].status == "error" and "device" in found


def test_a_model_too_large_for_this_machine_is_an_error_before_anything_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends.engine import files

    bench = tiny.make_workbench(tmp_path)
    monkeypatch.setattr(files, "free_memory", lambda: 100_000)
    assert lines(bench.file)["subject tiny: memory"].status == "error"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, r"model\.safetensors is cut short: it has 9,000 of"),
        (narrow, "reads vectors of width 16, but tiny has width 32"),
        (unknown_model, "'nobody/no-such-model' is not on this machine and cannot be downloaded"),
        (no_config, "transformers cannot load the model"),
    ],
)
def test_loading_what_does_not_fit_is_a_sentence(harm: Callable[[tiny.Tiny], None], said: str, tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    harm(bench)
    with pytest.raises(WorkbenchError, match=said) as raised:
        WorkbenchEngine(bench.file).load()
    assert raised.value.mend


def test_a_layer_beyond_the_model_is_named(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    bench.file.write_text(
        bench.file.read_text().replace('[saes.L]\nsubject = "tiny"\nlayer = 2', '[saes.L]\nsubject = "tiny"\nlayer = 9')
    )
    with pytest.raises(WorkbenchError, match="L stands at layer 9, but tiny has layers 0 to 3"):
        WorkbenchEngine(bench.file).load()
    assert lines(bench.file)["SAE L: hook point"].message == "Layer 9 does not exist."


def test_weights_that_lack_a_tensor_are_refused_rather_than_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    bench = tiny.make_workbench(tmp_path)
    file = bench.subject / "model.safetensors"
    weights = load_file(file)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(WorkbenchError, match=r"lack 1 tensors .*layers\.1\.mlp\.up_proj"):
        WorkbenchEngine(bench.file).load()


def test_a_missing_model_folder_is_named(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    bench.file.write_text(bench.file.read_text().replace('"subject"', '"./gone"'))
    with pytest.raises(WorkbenchError, match=r"There is no model folder .*gone"):
        WorkbenchEngine(bench.file).load()


def test_an_unknown_device_or_dtype_is_a_sentence(tmp_path: Path) -> None:
    from backends.engine.loading import pick_device, pick_dtype

    with pytest.raises(WorkbenchError, match="'abacus' cannot be used"):
        pick_device("abacus")
    with pytest.raises(WorkbenchError, match="no dtype 'int7'"):
        pick_dtype("int7", torch.device("cpu"), 0)


def test_a_model_that_does_not_fit_as_float32_is_loaded_as_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.engine import files, loading

    monkeypatch.setattr(files, "free_memory", lambda: 1000)
    assert loading.pick_dtype("auto", torch.device("cpu"), 150) == torch.float32
    assert loading.pick_dtype("auto", torch.device("cpu"), 151) == torch.bfloat16
