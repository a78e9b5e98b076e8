"""`index controls`: thresholds, decoy rankings and self-scores, built in parts, kept with the parts they are of."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import l2el_tools as l2el
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import tiny
from backends.engine.controls import artefacts, rankings
from backends.engine.controls.artefacts import Artefacts
from backends.engine.controls.building import Building
from backends.engine.controls.vectors import SEED, of_covariance
from backends.engine.readers.reader import Reader, open_reader
from investigator import paths, wire
from investigator.errors import BadInput, WorkbenchError
from investigator.records import ExplanationRow

VECTORS = 10


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    made = l2el.make_bench(tmp_path_factory.mktemp("artefacts"))
    write_tune(made.folder)
    return made


def write_tune(folder: Path) -> None:
    """Give a workbench tune documents, so that true labels are read off them."""
    (folder / "heldout").mkdir()
    rows = [{"text": tiny.TEXT[start : start + 120], "file": "tiny", "index": start} for start in range(0, 200, 20)]
    (folder / "heldout" / "tune.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    file = folder / "workbench.toml"
    file.write_text('heldout = "heldout"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")


def build(engine: Any, folder: Path, *, steps: int | None = None) -> Artefacts | None:
    """Build a reader's controls into a folder; stop after some steps where asked."""
    running = Building(engine, open_reader(engine, "mapper"), vectors=VECTORS).run(folder)
    for done in iter(int, 1):
        try:
            next(running)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if steps is not None and done >= steps:
            running.close()
            return None
        steps = None if steps is None else steps - 1
    return None


@pytest.fixture(scope="module")
def shipped(bench: tiny.Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Reader, Artefacts]]:
    """A workbench whose reader has its controls beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        engine = tiny.make_engine(bench)
        reader = open_reader(engine, "mapper")
        made = build(engine, reader.folder)
        assert made is not None
        assert not list((paths.cache_folder() / "controls").glob("*.parts"))
        yield engine, reader, made


def files_of(folder: Path) -> tuple[bytes, bytes]:
    return (folder / artefacts.CARD).read_bytes(), (folder / artefacts.TENSORS).read_bytes()


def test_a_second_build_is_the_same_to_the_bit(shipped: tuple[Any, Reader, Artefacts], tmp_path: Path) -> None:
    engine, reader, _ = shipped
    build(engine, tmp_path)
    assert files_of(tmp_path) == files_of(reader.folder)


def test_a_build_that_was_stopped_goes_on_and_ends_the_same(
    shipped: tuple[Any, Reader, Artefacts], tmp_path: Path
) -> None:
    engine, reader, _ = shipped
    for steps in (30, 60, 200):
        assert build(engine, tmp_path, steps=steps) is None
    parts = artefacts.cached(engine, reader).with_suffix(".parts")
    kept = {file: file.stat().st_mtime_ns for file in parts.iterdir()}
    assert kept
    broken = next(iter(kept))
    broken.write_bytes(b"cut short")
    build(engine, tmp_path)
    assert files_of(tmp_path) == files_of(reader.folder)
    assert not parts.exists()


KILLED = """
import sys, test_controls_artefacts as own, tiny
from pathlib import Path
own.build(tiny.make_engine(tiny.Tiny(Path(sys.argv[1]), *[None] * 6)), Path(sys.argv[2]))
"""


def test_a_build_survives_kill_9(shipped: tuple[Any, Reader, Artefacts], bench: tiny.Tiny, tmp_path: Path) -> None:
    engine, reader, _ = shipped
    command = [sys.executable, "-c", KILLED, str(bench.file), str(tmp_path)]
    where = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    parts = artefacts.cached(engine, reader).with_suffix(".parts")
    child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": where})
    while len(list(parts.glob("*.safetensors")) if parts.exists() else []) < 3:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / artefacts.CARD).exists()
    build(engine, tmp_path)
    assert files_of(tmp_path) == files_of(reader.folder)


def test_decoys_and_thresholds_against_slow_references(shipped: tuple[Any, Reader, Artefacts], bench: Any) -> None:
    engine, reader, made = shipped
    labels = engine.parts.labels("L").texts
    vectors = of_covariance(engine, reader, VECTORS)
    background = load_file(bench.statistics / "layers.safetensors")["background"][tiny.LAYER, :64]
    text = labels[1]
    values = [l2el.slow_score(engine, l2el.slow_soft(bench, h), text) for h in background]
    mean, spread = statistics.fmean(values), statistics.pstdev(values)
    marks = [(l2el.slow_score(engine, l2el.slow_soft(bench, h), text) - mean) / spread for h in vectors]
    # All labels together make the counts, so one label's marks stand at or above an edge no more often than they say.
    for mark in marks:
        (counted,) = rankings.above(made.edges, made.decoys, np.array([mark])) * VECTORS
        assert counted >= sum(other >= mark for other in marks) - 1
    assert made.decoys[0] == pytest.approx(len(labels))
    assert list(made.decoys) == sorted(made.decoys, reverse=True)
    assert made.card.alone.spread > 0
    assert made.card.alone.labels > 10
    assert made.card.seed == SEED
    assert made.card.phrased != made.card.alone


def test_self_scores_are_the_best_gap_of_what_explain_would_pick(
    shipped: tuple[Any, Reader, Artefacts], bench: Any
) -> None:
    engine, reader, made = shipped
    assert len(made.best) == VECTORS
    from backends.engine.readers.drawn import Drawing

    usual = made.card.drawing
    for vector in (0, 7):
        h = of_covariance(engine, reader, VECTORS)[vector]
        drawing = Drawing(reader, h)
        list(drawing.draw(usual, SEED + vector))
        list(drawing.score())
        gaps = []
        for text in drawing.picked(usual):
            own = l2el.slow_score(engine, l2el.slow_soft(bench, h), text)
            gaps.append(own - statistics.fmean(l2el.slow_background(engine, bench, text, 64)))
        assert len(gaps) == usual.keep
        assert made.best[vector] == pytest.approx(max(gaps), abs=1e-3)


def test_artefacts_make_verdicts_and_rankings_are_judged(shipped: tuple[Any, Reader, Artefacts]) -> None:
    engine, reader, made = shipped
    _, result, _ = l2el.ask(engine, wire.Test(("cat", "the word France"), (l2el.at(engine),)))
    for row in result.rows:
        assert row.score.verdict is not None
        assert row.score.why
    labels = len(engine.parts.labels("L").texts)
    gaps, spreads = np.linspace(-1, 9, labels), np.full(labels, 2 * made.card.alone.spread)
    gaps[3], spreads[4] = np.nan, made.card.alone.spread / 2
    found = rankings.judge_ranking(engine, reader, gaps, spreads)
    assert found is not None
    assert found.verdicts[3] is None
    assert found.verdicts[4] == "fits almost anything"
    assert found.supported == found.verdicts.count("supported")
    assert all(
        (verdict == "supported") == (rate <= found.level)
        for place, (verdict, rate) in enumerate(zip(found.verdicts, found.fdr, strict=True))
        if place not in (3, 4)
    )
    assert all(found.why(place) for place in range(labels) if place != 3)
    high = rankings.judge_ranking(engine, reader, gaps, spreads, np.full(labels, made.card.alone.mean + 1))
    assert high is not None
    assert high.supported == 0


def test_drawn_text_is_judged_by_self_scores(shipped: tuple[Any, Reader, Artefacts]) -> None:
    engine, _, made = shipped
    _, result, _ = l2el.ask(engine, wire.Explain(l2el.at(engine), samples=20, max_tokens=12, keep=4, seed=2))
    for row in result.rows[:4]:
        assert isinstance(row, ExplanationRow)
        named = {control.name: control for control in row.score.controls}
        assert named["self-scores"].gap == pytest.approx(float(made.best.mean()))
        assert named["self-scores"].count == VECTORS
        share = (1 + sum(value >= row.score.gap for value in made.best.tolist())) / (1 + VECTORS)
        if row.score.verdict != "fits almost anything":
            assert (row.score.verdict == "supported") == (share <= 0.05)
        assert "samples 20 instead of 50" in row.score.note
    assert all(row.score.verdict is None for row in result.rows[4:])
    text = result.rows[0].text
    _, tested, _ = l2el.ask(engine, wire.Test((text,), (l2el.at(engine),), templates=(), drawn=True))
    assert "self-scores" in [control.name for control in tested.rows[0].score.controls]
    _, plain, _ = l2el.ask(engine, wire.Explain(l2el.at(engine), samples=20, max_tokens=12, controls=False))
    assert all(row.score.verdict is None and row.score.controls == () for row in plain.rows)


def test_artefacts_of_another_reader_are_refused(shipped: tuple[Any, Reader, Artefacts]) -> None:
    engine, reader, _ = shipped
    other = open_reader(engine, "paper")
    assert artefacts.read(reader.folder, artefacts.made_from(engine, reader)) is not None
    assert artefacts.read(reader.folder, artefacts.made_from(engine, other)) is None
    assert artefacts.artefacts_of(engine, other) is None
    assert rankings.judge_ranking(engine, other, np.zeros(3), np.ones(3)) is None


def test_damaged_artefacts_say_which_command_builds_them(
    shipped: tuple[Any, Reader, Artefacts], tmp_path: Path
) -> None:
    engine, reader, made = shipped
    wanted = artefacts.made_from(engine, reader)
    assert artefacts.read(tmp_path, wanted) is None
    made.save(tmp_path)
    whole = load_file(tmp_path / artefacts.TENSORS)
    for tensors in ({**whole, "best": whole["best"] * float("nan")}, {"edges": whole["edges"]}):
        save_file(tensors, tmp_path / artefacts.TENSORS)
        with pytest.raises(WorkbenchError, match="index controls"):
            artefacts.read(tmp_path, wanted)
    (tmp_path / artefacts.TENSORS).write_bytes(b"cut")
    with pytest.raises(WorkbenchError):
        artefacts.read(tmp_path, wanted)
    (tmp_path / artefacts.CARD).write_text("{", encoding="utf-8")
    with pytest.raises(WorkbenchError, match="index controls"):
        artefacts.read(tmp_path, wanted)


def test_a_reader_without_labels_cannot_have_controls_built(shipped: tuple[Any, Reader, Artefacts]) -> None:
    engine, _, _ = shipped
    with pytest.raises(WorkbenchError, match="label set"):
        Building(engine, open_reader(engine, "paper"))


def test_the_work_command_builds_them_and_a_fresh_engine_finds_them(tmp_path: Path, capsys: Any) -> None:
    from backends.engine.work import WorkEngine
    from investigator import cli
    from investigator.settings import Settings

    made = l2el.make_bench(tmp_path / "bench")
    engine = WorkEngine(made.file, Settings())
    asked: dict[str, str | int | float | bool] = {
        "workbench": str(made.file),
        "reader": "",
        "ship": False,
        "vectors": 3,
        "device": "cpu",
        "dtype": "float32",
    }
    *steps, last = engine.run(engine.resolve(wire.Work("index controls", asked))[0])
    assert isinstance(last, wire.Finished)
    names = {row.name for row in last.result.rows}  # type: ignore[union-attr]
    assert {"mapper_least_spread", "mapper_fdr_level", "mapper_self_score"} <= names
    assert "controls of mapper lie in" in last.result.message  # type: ignore[union-attr]
    done = [step.done for step in steps if isinstance(step, wire.Progress)]
    assert done == sorted(done)
    fresh = tiny.make_engine(made)
    found = artefacts.artefacts_of(fresh, open_reader(fresh, "mapper"))
    assert found is not None
    assert found.card.ranking.decoys == 3
    with pytest.raises(BadInput, match="no reader"):
        list(engine.run(wire.Work("index controls", asked | {"reader": "nobody"})))
    assert cli.main(["index", "controls", "--workbench", str(made.file), "--vectors", "3"]) == 2
    assert "Choose from 20" in capsys.readouterr().err
