"""Readers that cannot be believed: each way a file or an entry can be wrong is a sentence, and nothing else breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reader_tools as tools

import tiny
from backends.engine.readers import weights
from investigator import wire, workbench
from investigator.errors import InvestigatorError, WorkbenchError
from investigator.sources import Residual


def _ask(bench: tiny.Tiny, reader: str) -> Any:
    engine = tiny.make_engine(bench)
    ids = tuple(engine.parts.subject().encode("The capital of France is Paris"))
    source = Residual("", ids, tiny.LAYER, -1)
    return tiny.ask(engine, wire.Test(("cats",), (source,), reader, controls=False, templates=()))


def _refusal(bench: tiny.Tiny, reader: str) -> str:
    with pytest.raises(InvestigatorError) as caught:
        _ask(bench, reader)
    return str(caught.value)


def _without_scale(table: dict[str, Any]) -> None:
    table["extraction"] = {"injection_scale": None, "mse_scale": 5.0}


def _two_markers(table: dict[str, Any]) -> None:
    table["prompt_templates"] = {"av": "{injection_char} and {injection_char}"}


def _no_marker(table: dict[str, Any]) -> None:
    table["prompt_templates"] = {"av": "Explain it."}


def _split_marker(table: dict[str, Any]) -> None:
    table["tokens"] = table["tokens"] | {"injection_char": "㈜㈜"}


def _other_id(table: dict[str, Any]) -> None:
    table["tokens"] = table["tokens"] | {"injection_token_id": 7}


def _other_neighbour(table: dict[str, Any]) -> None:
    table["tokens"] = table["tokens"] | {"injection_left_neighbor_id": 7}


def _other_width(table: dict[str, Any]) -> None:
    table["d_model"] = 64


def _other_layer(table: dict[str, Any]) -> None:
    table["extraction_layer_index"] = 1


def _reconstructor(table: dict[str, Any]) -> None:
    table["role"] = "critic"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_scale, "gives no injection_scale"),
        (_two_markers, "holds its marker '㈎' 2 times"),
        (_no_marker, "not at all"),
        (_split_marker, "splits its marker '㈜㈜' into"),
        (_other_id, "its sidecar says 7"),
        (_other_neighbour, "The token before the marker"),
        (_other_width, "takes vectors of width 64, but tiny has width 32"),
        (_other_layer, "was trained on layer 1"),
        (_reconstructor, "holds a reconstructor"),
    ],
)
def test_an_nla_directory_that_is_wrong(change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, statistics=False)
    tokenizer = tools.marked_tokenizer(tmp_path / "av")
    tiny.save_model(tmp_path / "av", "llama", len(tokenizer), context=tools.CONTEXT)
    table = tools.sidecar(tokenizer)
    change(table)
    tools.write_sidecar(tmp_path / "av", table)
    tools.add_reader(bench, "av", "nla", "av")
    assert said in _refusal(bench, "av")


def test_both_key_styles_are_read_alike(tmp_path: Path) -> None:
    from backends.engine.readers.kinds import spec_of
    from backends.engine.readers.sidecar import read_sidecar

    tokenizer = tools.marked_tokenizer(tmp_path)
    table = tools.sidecar(tokenizer)
    old = {key: value for key, value in table.items() if key not in ("critic", "extraction_layer_index")}
    old |= {"schema_version": 1, "role": "actor", "ar": {"num_hidden_layers": tiny.LAYER + 1}}
    old["prompt_templates"] = {"actor": tools.AV.replace("{injection_char}", "<INJECT>"), "critic": tools.AR}
    entry = workbench.ReaderEntry("tiny", tiny.LAYER, "av", kind="nla")
    found = []
    for name, each in (("new", table), ("old", old)):
        (tmp_path / name).mkdir()
        tools.write_sidecar(tmp_path / name, each)
        read = read_sidecar(tmp_path / name)
        found.append((read.layer, read.reconstructor, spec_of("av", entry, tmp_path / name, chat=True)))
    assert found[0] == found[1]
    assert found[0][0] == tiny.LAYER


def test_a_missing_or_broken_sidecar(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, statistics=False)
    (tmp_path / "av").mkdir()
    tools.add_reader(bench, "av", "nla", "av")
    assert "nla_meta.yaml cannot be read" in _refusal(bench, "av")
    (tmp_path / "av" / "nla_meta.yaml").write_text("role: [")
    assert "nla_meta.yaml cannot be read" in _refusal(bench, "av")
    (tmp_path / "av" / "nla_meta.yaml").write_text("just words")
    assert "holds no table" in _refusal(bench, "av")


def test_an_adapter_for_another_base(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, statistics=False)
    other = tools.make_bench(tmp_path / "gpt", "gpt2", statistics=False)
    tools.make_adapter(tmp_path / "ao", other.subject, base_model_name_or_path="some/other-model")
    tools.add_reader(bench, "ao", "latentqa", "ao")
    said = _refusal(bench, "ao")
    assert "was made for some/other-model" in said
    assert "does not fit tiny" in said


def test_a_reader_bigger_than_memory_is_refused_before_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = tools.make_bench(tmp_path, statistics=False)
    tools.make_nla(tmp_path / "av")
    tools.add_reader(bench, "av", "nla", "av", dtype="bfloat16")
    engine = tiny.make_engine(bench)
    monkeypatch.setattr(weights.files, "free_memory", lambda: 1000)
    ids = tuple(engine.parts.subject().encode("The capital"))
    verb, _ = engine.resolve(wire.Test(("cats",), (Residual("", ids, tiny.LAYER, -1),), "av", controls=False))
    events = engine.run(verb)
    first = next(events)
    assert isinstance(first, wire.Progress)
    assert "are needed as bfloat16 (" in first.message and "cast while loading), 0.0 MB are free" in first.message
    with pytest.raises(WorkbenchError, match="does not fit the memory"):
        next(events)


def test_an_entry_that_is_wrong(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path, statistics=False)
    start = bench.file.read_text()
    for injection, said in (
        ({"blok": 3}, "`injection` in [readers.mine] cannot be used"),
        ({"operation": "multiply"}, "cannot be used"),
        ({"operation": "insert"}, "would insert rows"),
        ({"block": 9}, "injects at block 9, but what it speaks through has blocks 0 to 3"),
        ({"slots": 0}, "0 times into the prompt"),
        ({"prompt": "nothing here"}, "does not hold its marker"),
        ({"prompt": "word " * 300 + "{marker}"}, "but what it speaks through reads 256"),
    ):
        bench.file.write_text(start)
        tools.add_reader(bench, "mine", "patchscopes", injection=injection)
        assert said in _refusal(bench, "mine")
    bench.file.write_text(start)
    tools.add_reader(bench, "mine", "oracle", "nowhere/at/all")
    assert "There is no folder" in _refusal(bench, "mine")
    bench.file.write_text(start + '[readers.mine]\nsubject = "tiny"\nlayer = 1\nkind = "nla"\n')
    with pytest.raises(WorkbenchError, match="names no path"):
        workbench.load(bench.file)


def test_kinds_without_a_mapper_say_so_where_one_is_needed(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.add_reader(bench, "mine", "patchscopes", sae="L")
    engine = tiny.make_engine(bench)
    ids = tuple(engine.parts.subject().encode("The capital"))
    verb = wire.RankLabels(Residual("", ids, tiny.LAYER, -1), "mine", method="index")
    with pytest.raises(InvestigatorError, match="soft-prompt readers alone"):
        tiny.ask(engine, verb)
    assert "has no reader 'nobody'" in _refusal(bench, "nobody")
    assert "selfie" in _refusal(bench, "nobody")


def test_the_doctor_tells_of_every_kind_and_of_the_self_test(tmp_path: Path) -> None:
    bench = tools.make_bench(tmp_path)
    tools.make_nla(tmp_path / "av")
    tools.make_reconstructor(tmp_path / "ar")
    tools.make_oracle(tmp_path / "ao", tmp_path / "subject")
    broken = tools.make_nla(tmp_path / "broken")
    table = json.loads((broken / "nla_meta.yaml").read_text())
    table["extraction"]["injection_scale"] = None
    tools.write_sidecar(broken, table)
    tools.add_reader(bench, "av", "nla", "av", reconstructor="ar")
    tools.add_reader(bench, "ao", "oracle", "ao")
    tools.add_reader(bench, "broken", "nla", "broken")
    engine = tiny.make_engine(bench)
    rows = {row.name: row for row in tiny.ask(engine, wire.CheckWorkbench()).rows}
    assert "replace in place of an embedding, at length 7.5, at layer 2" in rows["reader av"].message
    assert rows["reader av: memory of its model"].status == "ok"
    assert rows["reader av: reconstructor"].status == "ok"
    assert rows["reader av: self-test"].status == "warning"
    assert "add after block 1" in rows["reader ao"].message
    assert rows["reader ao: self-test"].status == "ok"
    assert "injects once a pass" in rows["reader ao: self-test"].message
    assert rows["reader broken"].status == "error" and "injection_scale" in rows["reader broken"].message
    assert rows["reader selfie: self-test"].status == "ok"
    from backends.engine.readers.reader import open_reader

    open_reader(engine, "av")
    again = {row.name: row for row in tiny.ask(engine, wire.CheckWorkbench()).rows}
    assert again["reader av: self-test"].status == "ok"
