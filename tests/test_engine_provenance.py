"""Provenance and fingerprints: the parts that a verb used, by their bytes."""

from pathlib import Path

import pytest
import torch
import xxhash

import tiny
from backends.engine import fingerprints
from investigator.errors import BackendError
from investigator.sources import Mean, Residual
from investigator.wire import Open, ShowFeature, ShowFeatures, ShowLens, Work

IDS = (0, 5, 6, 7)


def test_only_the_parts_that_a_verb_used_are_named(tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path))
    place = Residual("", IDS, -1, -1)
    used = {
        Open(prompt="cat"): {"subject"},
        ShowLens(place): {"subject"},
        ShowFeatures(place): {"subject", "sae", "labels", "latents"},
        ShowFeatures(Mean("", -1)): {"subject", "sae", "labels", "latents", "statistics"},
        ShowFeature(3): {"subject", "sae", "labels", "latents"},
    }
    for verb, parts in used.items():
        provenance = engine.resolve(verb)[1]
        assert set(provenance.parts) == parts
        assert provenance.threads == torch.get_num_threads() and provenance.dtype == "float32"
        assert provenance.libraries["torch"] == torch.__version__
        assert provenance.workbench == str(tmp_path / "workbench.toml")
        assert all(len(part.fingerprint) == 16 for part in provenance.parts.values())


def test_a_changed_byte_changes_only_its_own_part(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    verb = ShowFeatures(Residual("", IDS, -1, -1))
    before = tiny.make_engine(bench).resolve(verb)[1].parts
    tiny.make_sae(bench.sae, seed=9)
    after = tiny.make_engine(bench).resolve(verb)[1].parts
    assert {name for name in before if before[name] != after[name]} == {"sae"}


def test_a_page_beside_the_weights_is_no_part_of_them(tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "sae")
    before = fingerprints.of_folder(folder)
    (folder / "README.md").write_text("a card")
    assert fingerprints.of_folder(folder) == before


def test_large_files_are_read_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "_SMALL", 10)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"x" * 100)
    first = fingerprints.of_file(file)
    assert first == xxhash.xxh3_64_hexdigest(b"x" * 100)
    monkeypatch.setattr(fingerprints, "_digest", lambda file: "read again")
    assert fingerprints.of_file(file) == first
    file.write_bytes(b"y" * 101)
    assert fingerprints.of_file(file) == "read again"


def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "_SMALL", 10)
    blocked = tmp_path / "file-not-folder"
    blocked.write_text("")
    monkeypatch.setenv("INVESTIGATOR_HOME", str(blocked))
    file = tmp_path / "w.npz"
    file.write_bytes(b"z" * 50)
    assert fingerprints.of_file(file) == xxhash.xxh3_64_hexdigest(b"z" * 50)


def test_long_work_belongs_to_a_child_and_an_engine_that_is_not_loaded_says_so(tmp_path: Path) -> None:
    from backends.engine.engine import WorkbenchEngine

    engine = WorkbenchEngine(tiny.make_workbench(tmp_path).file)
    assert engine.lane(Work("train sae")) == "child"
    with pytest.raises(BackendError, match="not loaded yet"):
        engine.resolve(Open(prompt="cat"))


def test_the_summary_counts_what_is_there(tmp_path: Path) -> None:
    summary = tiny.make_engine(tiny.make_workbench(tmp_path, chat=True)).summary()
    (subject,), (sae,), (reader,) = summary.subjects, summary.saes, summary.readers
    assert (subject.family, subject.layers, subject.width, subject.context) == ("llama", 4, 32, 64)
    assert (subject.layer, subject.chat) == (tiny.LAYER, True) and subject.parameters > 10_000
    assert (sae.latents, sae.labelled, sae.layer) == (96, 64, 2)
    assert (reader.name, reader.sae, reader.labels) == (
        "mapper",
        "L",
        len({r["description"] for r in tiny.label_rows()}),
    )


def test_the_summary_reads_headers_of_what_nobody_has_asked_about(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    tiny.make_subject(tmp_path / "other", "gpt2", context=48)
    tiny.make_sae(tmp_path / "saes" / "other", latents=40, layer=1)
    bench.file.write_text(
        bench.file.read_text()
        + '[subjects.other]\nmodel = "other"\n[saes.M]\nsubject = "other"\nlayer = 1\npath = "saes/other"\n'
    )
    engine = tiny.make_engine(bench)
    summary = engine.summary()
    assert (summary.subjects[1].family, summary.subjects[1].context, summary.subjects[1].layer) == ("gpt2", 48, 1)
    assert (summary.saes[1].latents, summary.saes[1].labelled) == (40, 0)
    assert not {("subject", "other"), ("sae", "M")} & set(engine.parts._kept)
    opened = tiny.ask(engine, Open(prompt="cat and dog", subject="other"))
    rows = tiny.ask(engine, ShowFeatures(Residual("other", tuple(t.id for t in opened.tokens), -1, -1))).rows
    assert rows and all(row.labels == () and row.z == 0 for row in rows)
