"""Corpus indexes: what is stored is what the subject computes, and a kill at any moment loses no more than a shard."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from backends.engine.index import corpus_job
from backends.engine.index.corpus_build import Build
from backends.engine.index.corpus_card import read_card
from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_job import make_build
from investigator.errors import BadInput, WorkbenchError

LAYERS = (1, 2)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_job, "_SHARD_MOST", 300)
    monkeypatch.setattr(corpus_job, "_SHARD_FEWEST", 300)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    return tiny.make_workbench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def engine(bench: tiny.Tiny) -> Any:
    return tiny.make_engine(bench)


def write_texts(folder: Path, count: int = 24) -> Path:
    file = folder / "texts.txt"
    file.write_text("\n\n".join(f"{tiny.TEXT[: 40 + 13 * n]} number {n}" for n in range(count)))
    return file


def make(engine: Any, file: Path, folder: Path, **choices: Any) -> Build:
    build = make_build(engine, [file], folder, name="texts", layers=LAYERS, **choices)
    for _ in build.run():
        pass
    return build


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_stored_activations_are_the_subjects_own(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    build = make(engine, file, tmp_path / "index")
    index = CorpusIndex.open(tmp_path / "index", build.subject)
    card = index.card
    assert card.complete and card.shards > 2 and card.documents == 24 and card.notes == ()
    numbers = np.arange(0, index.size, 7)
    stored = index.residuals(2, numbers)
    for number, vector in zip(numbers, stored, strict=True):
        context, position = index.place(int(number))
        _, ids = index.context(context)
        true = build.subject.capture(ids)[2, position]
        # Half precision keeps eleven bits of each number of a unit vector.
        assert (vector - true).norm() <= 1e-3 * true.norm()


def test_every_token_is_searched_once_and_no_special_or_first_one(engine: Any, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text(tiny.TEXT * 3 + " <|eos|> " + tiny.TEXT)
    build = make(engine, file, tmp_path / "index")
    index = CorpusIndex.open(tmp_path / "index", build.subject)
    ids = build.subject.encode(file.read_text())
    assert len(ids) > build.recipe.window
    found = []
    for number in range(index.size):
        context, position = index.place(number)
        _, window = index.context(context)
        assert position >= 8 and window[0] == build.subject.bos_id and len(window) <= build.recipe.window
        found.append(window[position])
    assert found == [id for id in ids[8:] if id not in build.subject.special_ids]


def test_the_mappers_inputs_are_those_of_the_stored_activations(engine: Any, tmp_path: Path) -> None:
    from backends.engine.readers.reader import open_reader

    build = make(engine, write_texts(tmp_path), tmp_path / "index")
    index = CorpusIndex.open(tmp_path / "index", build.subject)
    mapper = open_reader(engine, "mapper").mapper
    blocks = list(index.inputs(2, mapper))
    assert [first for first, _ in blocks] == list(np.cumsum([0, *(len(x) for _, x in blocks[:-1])]))
    expected = mapper.inputs(index.residuals(2, np.arange(index.size)))
    torch.testing.assert_close(torch.cat([x for _, x in blocks]), expected)


KILL = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
import tiny
from pathlib import Path
from backends.engine.engine import WorkbenchEngine
from backends.engine.index import corpus_job, corpus_shards
corpus_job._SHARD_MOST = corpus_job._SHARD_FEWEST = 300
engine = WorkbenchEngine({bench!r})
engine.load()
build = corpus_job.make_build(engine, [Path({file!r})], Path({out!r}), name="texts", layers=(1, 2))
write = corpus_shards._write
def end(file, content):
    write(file, content[: len(content) // 2])
    if {where!r} in str(file):
        os.kill(os.getpid(), signal.SIGKILL)
    write(file, content)
if {where!r}:
    corpus_shards._write = end
for step, _ in enumerate(build.run()):
    if step == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_build_goes_on_to_identical_bits(engine: Any, bench: tiny.Tiny, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    whole = make(engine, file, tmp_path / "whole")
    out = tmp_path / "killed"
    root = Path(__file__).parents[1]
    for step, where in ((3, ""), (10_000, ".part-00001/shard.json"), (14, ""), (10_000, ".part-00003/documents.json")):
        code = KILL.format(
            root=str(root), tests=str(root / "tests"), bench=str(bench.file), file=str(file), out=str(out),
            where=where, step=step,
        )  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        with pytest.raises(WorkbenchError, match="not finished"):
            CorpusIndex.open(out, whole.subject)
    begun = sum(1 for _ in (out / "shards").glob("0*"))
    assert 0 < begun < whole.totals["shards"]
    make(engine, file, out)
    first, second = content(tmp_path / "whole"), content(out)
    assert first == second


def test_building_again_changes_nothing(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    make(engine, file, tmp_path / "index")
    before = content(tmp_path / "index")
    make(engine, file, tmp_path / "index")
    assert content(tmp_path / "index") == before


def test_other_files_or_choices_do_not_go_on_in_the_same_folder(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    make(engine, file, tmp_path / "index")
    with pytest.raises(BadInput, match="other files"):
        make(engine, file, tmp_path / "index", window=32)
    file.write_text(file.read_text() + "\n\nmore")
    with pytest.raises(BadInput, match="other files"):
        make(engine, file, tmp_path / "index")


def test_so_many_tokens_and_no_more(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    make(engine, file, tmp_path / "index", most_tokens=777)
    assert read_card(tmp_path / "index").positions == 777


def test_what_was_left_out_stands_in_the_card_and_nothing_at_all_is_refused(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\0\1\2")
    build = make_build(engine, [file, tmp_path / "picture.png"], tmp_path / "index", name="x", layers=LAYERS)
    for _ in build.run():
        pass
    assert read_card(tmp_path / "index").notes == ("picture.png holds binary data and is left out.",)
    build = make_build(engine, [tmp_path / "picture.png"], tmp_path / "none", name="x", layers=LAYERS)
    with pytest.raises(BadInput, match=r"nothing to index.*\n?.*binary"):
        list(build.run())
    assert not (tmp_path / "none").exists()


def test_damaged_and_foreign_indexes_are_refused_with_a_sentence(engine: Any, tmp_path: Path) -> None:
    build = make(engine, write_texts(tmp_path), tmp_path / "index")
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path / "index", broken)
    vectors = broken / "shards" / "00001" / "L2.npy"
    vectors.write_bytes(vectors.read_bytes()[:-100])
    with pytest.raises(WorkbenchError, match="cut short"):
        CorpusIndex.open(broken, build.subject)
    shutil.rmtree(broken / "shards" / "00001")
    with pytest.raises(WorkbenchError, match="lacks its part 1"):
        CorpusIndex.open(broken, build.subject)
    (broken / "corpus.json").write_text("{")
    with pytest.raises(WorkbenchError, match="no corpus index"):
        CorpusIndex.open(broken, build.subject)
    other = tiny.load_subject(tiny.make_subject(tmp_path / "other", "gpt2"))
    with pytest.raises(WorkbenchError, match="another model"):
        CorpusIndex.open(tmp_path / "index", other)
    card = json.loads((tmp_path / "index" / "corpus.json").read_text())
    card["recipe"]["format"] = 99
    (broken / "corpus.json").write_text(json.dumps(card))
    with pytest.raises(WorkbenchError, match="format 99"):
        CorpusIndex.open(broken, build.subject)


def test_bad_choices_are_refused(engine: Any, tmp_path: Path) -> None:
    file = write_texts(tmp_path)
    for choices, said in (
        ({"layers": (9,)}, "no layer 9"),
        ({"window": 5}, "too short"),
        ({"most_tokens": -1}, "negative"),
    ):
        with pytest.raises(BadInput, match=said):
            make_build(engine, [file], tmp_path / "x", name="x", **choices)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "qwen3"])
def test_other_families_are_captured_alike(tmp_path: Path, family: str) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path / "bench", family))
    build = make(engine, write_texts(tmp_path, 6), tmp_path / "index")
    index = CorpusIndex.open(tmp_path / "index", build.subject)
    number = index.size - 1
    context, position = index.place(number)
    true = build.subject.capture(index.context(context)[1])[1, position]
    assert (index.residuals(1, np.array([number]))[0] - true).norm() <= 1e-3 * true.norm()
