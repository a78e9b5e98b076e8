"""A label index: what it estimates, what survives a kill, and what is refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import index_tools as tools
import l2el_tools as l2el
import pytest
import torch

import tiny
from backends.engine.doctor.checkup import check_workbench
from backends.engine.index import label_card, label_parts
from backends.engine.index.build_labels import build
from backends.engine.index.label_index import LabelIndex, index_of
from backends.engine.index.label_refine import Refiner, rounds
from backends.engine.index.label_search import rescore
from backends.engine.index.label_words import make_words
from backends.engine.likelihood import grid_table
from backends.engine.readers.prepared import prepare, prepared_labels
from investigator.errors import BadInput, WorkbenchError
from investigator.records import Figure
from investigator.settings import Settings
from investigator.wire import Work


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    return tools.make_engine(tmp_path)


def opened(engine: Any) -> LabelIndex | None:
    return index_of(engine, tools.reader_of(engine), tools.fingerprint_of(engine))


def exact_scores(engine: Any, vectors: torch.Tensor) -> torch.Tensor:
    reader = tools.reader_of(engine)
    return grid_table(reader.subject, reader.soft(vectors), prepared_labels(engine, reader).ids)


def test_tangents_equal_exact_scores_at_the_anchors_and_follow_them_nearby(engine: Any) -> None:
    index, reader = tools.make_index(engine), tools.reader_of(engine)
    ids = prepared_labels(engine, reader).ids
    for number, anchor in enumerate(index.tables.anchors):
        with torch.inference_mode():
            here = grid_table(reader.subject, reader.mapper.prompts(anchor)[None], ids)[0]
            step = 0.02 * torch.nn.functional.normalize(torch.ones_like(anchor), dim=0)
            near = grid_table(reader.subject, reader.mapper.prompts(anchor + step)[None], ids)[0]
        assert torch.allclose(index.linearised.tangents(anchor)[number].double(), here, atol=1e-5)
        moved = index.linearised.tangents(anchor + step)[number].double() - here
        # Gradients may be made in bfloat16, which keeps three digits.
        assert torch.allclose(moved, near - here, atol=0.02 * float((near - here).abs().max()) + 1e-4)


def test_an_index_says_what_it_finds_and_a_search_finds_it(engine: Any) -> None:
    index, reader = tools.make_index(engine), tools.reader_of(engine)
    assert index.card.identity.texts == len(prepared_labels(engine, reader).ids)
    for recall in (index.card.gap, index.card.score):
        assert 0 <= recall.estimate <= 1
        assert 0 < recall.rescored <= 1
        assert 1 <= recall.candidates <= index.card.identity.texts
    vector = tools.sources(engine, 1)
    exact = exact_scores(engine, vector)[0] - index.means
    guess = index.first(reader.mapper.inputs(vector)[0].clone())
    assert torch.corrcoef(torch.stack([guess.double(), exact]))[0, 1] > 0.3


def test_estimated_means_and_spreads_are_near_the_exact_ones(engine: Any) -> None:
    index = tools.make_index(engine, sources=12)
    background = engine.parts.layer_statistics("tiny").background[tiny.LAYER, :64]
    exact = exact_scores(engine, background)
    assert not index.card.exact_means
    error = (index.means - exact.mean(0)).abs().mean()
    assert error < 0.6 * exact.std(0).mean()
    ratio = index.tables.spreads.double() / exact.std(0)
    assert 0.6 < float(ratio.median()) < 1.6


def test_exact_means_are_kept_where_they_were_measured(engine: Any) -> None:
    index = tools.make_index(engine, exact=True)
    exact = exact_scores(engine, engine.parts.layer_statistics("tiny").background[tiny.LAYER, :64])
    assert index.card.exact_means
    assert torch.allclose(index.means, exact.mean(0), atol=1e-5)
    assert torch.allclose(index.tables.spreads.double(), exact.std(0, correction=0), atol=1e-5)


def test_searching_scores_what_it_says_and_learns_from_it(engine: Any) -> None:
    index, reader = tools.make_index(engine), tools.reader_of(engine)
    prepared = prepared_labels(engine, reader)
    vector = tools.sources(engine, 1)
    exact = exact_scores(engine, vector)[0]
    soft = reader.soft(vector)
    for by_score in (False, True):
        refiner = index.refiner(reader, reader.mapper.inputs(vector)[0].clone(), soft, by_score=by_score)
        found: dict[int, float] = {}
        first = torch.tensor([5])
        for done in rescore(reader.subject, soft, prepared.ids, refiner, index.means, candidates=20, first=first):
            if done is not None:
                found.update(zip(done[0].tolist(), done[1].tolist(), strict=True))
        assert 20 <= len(found) <= 21
        assert 5 in found
        assert all(abs(value - float(exact[text])) < 1e-4 for text, value in found.items())
        best = (exact if by_score else exact - index.means).argsort(descending=True)[:3]
        assert len(set(best.tolist()) & set(found)) >= 2


def test_rounds_add_up_and_a_search_never_takes_a_text_twice_or_trusts_what_is_no_number() -> None:
    for candidates in (1, 2, 7, 8, 100, 3001):
        assert sum(rounds(candidates)) == candidates
        assert min(rounds(candidates)) > 0
    prior = torch.tensor([0.0, 1.0, float("nan"), 0.5])
    refiner = Refiner(
        prior, torch.zeros(4, 2), torch.zeros(4, 1), torch.zeros(4), make_words(torch.arange(4), torch.ones(4), 4)
    )
    assert refiner.next(2).tolist() == [2, 1]
    refiner.learn(torch.tensor([2, 1]), torch.tensor([float("nan"), 3.0]))
    assert refiner.next(9).tolist() == [3, 0]
    assert refiner.estimate[1] == 3.0
    assert refiner.estimate[2].isnan()


def test_a_kill_at_any_moment_leaves_an_index_that_a_later_run_finishes_without_doing_it_again(tmp_path: Path) -> None:
    bench = l2el.make_bench(tmp_path / "bench")
    engine = tiny.make_engine(bench)
    folder = tools.building(engine).folder
    for after in ("differentiating labels", "ranking labels exactly", "measuring usual tokens"):
        with tools.child_building(bench.file) as process:
            seen = next(line for line in tools.lines(process) if line == after)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert seen == after
        assert not (folder / label_card.CARD).exists()
        with pytest.raises(WorkbenchError, match="half-built"):
            opened(engine)
    before = {file.name: file.stat().st_mtime_ns for file in folder.glob("*-0*.safetensors")}
    assert len(before) > 10
    with tools.child_building(bench.file) as process:
        assert "differentiating labels" not in list(tools.lines(process))
        assert process.wait() == 0
    assert {file.name: file.stat().st_mtime_ns for file in folder.glob("*-0*.safetensors")} == before
    assert label_card.read_card(folder) is not None
    assert not list(folder.glob("*.part"))


def test_parts_that_were_cut_short_are_made_again_and_refused_meanwhile(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_parts, "SIZE", tools.PART)
    index = tools.make_index(engine)
    victim = label_parts.file_of(index.folder, 1)
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-7])
    fresh = tiny.make_engine(type("Bench", (), {"file": engine.file}))
    with pytest.raises(WorkbenchError, match="cut short"):
        opened(fresh)
    assert not tools.building(fresh).done
    for _ in tools.building(fresh).run():
        pass
    assert victim.read_bytes() == whole
    assert opened(fresh) is not None
    (index.folder / label_card.TABLES).unlink()
    with pytest.raises(WorkbenchError, match=r"tables\.safetensors"):
        opened(tiny.make_engine(type("Bench", (), {"file": engine.file})))


def test_an_index_of_something_else_is_refused_in_words(engine: Any) -> None:
    index = tools.make_index(engine)
    file = index.folder / label_card.CARD
    card = json.loads(file.read_text())
    for name, words in {
        "reader": "another reader",
        "labels": "another list of labels",
        "subject": "another model",
        "statistics": "other layer statistics",
    }.items():
        file.write_text(json.dumps(card | {"identity": card["identity"] | {name: "else"}}))
        with pytest.raises(WorkbenchError, match=words):
            opened(tiny.make_engine(type("Bench", (), {"file": engine.file})))
    file.write_text(json.dumps(card | {"identity": card["identity"] | {"version": 99}}))
    with pytest.raises(WorkbenchError, match="format 99"):
        opened(engine)
    file.write_text("{")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        opened(engine)


def test_other_choices_begin_anew_and_the_same_ones_do_nothing(engine: Any) -> None:
    index = tools.make_index(engine)
    stamps = {file: file.stat().st_mtime_ns for file in index.folder.iterdir()}
    assert [step.message for step in tools.building(engine).run() if step] == ["the index was made before"]
    assert {file: file.stat().st_mtime_ns for file in index.folder.iterdir()} == stamps
    other = tools.make_index(engine, anchors=2)
    assert other.card.identity.anchors == 2
    assert len(other.tables.anchors) == 2


def test_the_command_indexes_a_reader_s_labels_and_a_file_s(tmp_path: Path) -> None:
    bench = l2el.make_bench(tmp_path)
    given: dict[str, str | int | float | bool] = {
        "workbench": str(bench.file),
        "anchors": 2,
        "sources": 2,
        "heldout": 1,
    }
    steps = list(build(Work("index labels", given)))
    figures = {step.name: step.value for step in steps if isinstance(step, Figure)}
    assert figures["index_labels"] == len({row["description"] for row in tiny.label_rows()})
    assert {"index_recall_gap", "index_recall_score", "index_seconds", "index_bytes"} <= figures.keys()
    own = tmp_path / "own.txt"
    own.write_text("a cat\n\nwords related to heat\na cat\n" + "France " * 300 + "\n<|eos|>\nthe word France\n")
    *_, said = build(Work("index labels", given, (str(own),)))
    assert isinstance(said, str)
    assert "3 labels" in said
    assert "2 labels cannot be scored" in said
    with pytest.raises(BadInput, match="no reader 'other'"):
        list(build(Work("index labels", given | {"reader": "other"})))
    with pytest.raises(BadInput, match="no label set"):
        list(build(Work("index labels", given | {"reader": "paper"})))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadInput, match="UTF-8"):
        list(build(Work("index labels", given, (str(tmp_path / "binary"),))))


def test_labels_of_which_none_can_be_scored_are_refused(engine: Any) -> None:
    reader = tools.reader_of(engine)
    nothing = prepare(reader.subject, ["", "<|eos|>"], slots=reader.slots)
    with pytest.raises(BadInput, match="None of the labels"):
        tools.Build(engine, reader, nothing, "x")
    one = prepare(reader.subject, ["a cat"], slots=reader.slots)
    for _ in tools.Build(engine, reader, one, "one", anchors=1, sources=1, heldout=1).run():
        pass
    index = index_of(engine, reader, "one")
    assert index is not None
    assert index.card.gap.rescored == 1.0


def test_the_doctor_says_how_an_index_stands(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> tuple[str, str] | None:
        rows = [row for row in check_workbench(engine.file, Settings()) if row.name == "reader mapper: label index"]
        return (rows[0].status, rows[0].message) if rows else None

    assert line() is None
    monkeypatch.setattr("backends.engine.doctor.readers._MANY_LABELS", 10)
    found = line()
    assert found is not None and found[0] == "warning" and "There is none" in found[1]
    index = tools.make_index(engine)
    found = line()
    assert found is not None and found[0] == "ok" and f"{index.card.identity.texts} labels" in found[1]
    (index.folder / label_card.CARD).unlink()
    found = line()
    assert found is not None and found[0] == "warning" and "half-built" in found[1]
