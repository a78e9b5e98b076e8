"""The benchmark's indexed part, on a tiny workbench and a few hundred sentences: that it measures what it says."""

from __future__ import annotations

from pathlib import Path

import l2el_tools as l2el

import tiny
from backends.engine.bench_likelihood import indexed
from backends.engine.bench_likelihood.first_answer import write_workbench
from backends.engine.bench_likelihood.setting import setting
from investigator import workbench


def test_the_indexed_part_prints_its_figures_with_what_they_are_compared_with(tmp_path: Path) -> None:
    engine = tiny.make_engine(l2el.make_bench(tmp_path))
    figures = {figure.name: figure for figure in indexed.measure(engine, sources=2, count=300, asked=3)}
    ratio, recall = figures["indexed_top50_ratio"], figures["indexed_recall_at_50"]
    assert ratio.value is not None and ratio.value > 0
    assert "transformers loop" in ratio.compared_with
    assert recall.value is not None and recall.interval is not None
    assert recall.interval[0] <= recall.value <= recall.interval[1] <= 1
    assert recall.value > 0.8, "256 of 300 sentences are scored"
    assert "full rankings of 2 sources" in recall.compared_with
    for name in ("indexed_first_answer_ms", "indexed_first_answer_alone_ms", "index_seconds", "index_bytes"):
        value = figures[name].value
        assert value is not None and value > 0
    assert "cancelled" in figures["indexed_first_answer_ms"].compared_with
    again = indexed.make_index(setting(engine, count=300))
    assert again.card.seconds, "found, not made again"


def test_the_written_workbench_has_the_same_parts_and_the_sentences_as_labels(tmp_path: Path) -> None:
    engine = tiny.make_engine(l2el.make_bench(tmp_path))
    here = setting(engine, count=50)
    (tmp_path / "other").mkdir()
    file = write_workbench(here, tmp_path / "other")
    assert workbench.load(file).readers["mapper"].default
    other = tiny.make_engine(type("Bench", (), {"file": file}))
    assert other.parts.labels("L").texts == here.texts
    assert other.parts.subject().fingerprint == engine.parts.subject().fingerprint
