"""The labels benchmark: both sides score the same labels to the same numbers, and the loop is a correct one."""

from pathlib import Path
from typing import Any

import l2el_tools as l2el
import pytest
import torch

import tiny
from backends.engine.bench_labels import loop_scores, measure_labels_ratio
from investigator.errors import WorkbenchError


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.make_engine(l2el.make_bench(tmp_path_factory.mktemp("bench")))


def test_its_figures_stand_beside_what_they_are_compared_with(engine: Any) -> None:
    figures = {figure.name: figure for figure in measure_labels_ratio(engine, sources=2, slice_seconds=0.01)}
    ratio = figures["labels_ratio"]
    seconds, loop = figures["labels_seconds"].value, figures["labels_loop_seconds"].value
    assert ratio.value is not None
    assert seconds is not None
    assert loop is not None
    assert ratio.interval is not None
    assert ratio.interval[0] <= ratio.value <= ratio.interval[1]
    assert "loop" in ratio.compared_with
    assert (figures["labels_max_abs_difference"].value or 0.0) < 1e-4
    assert figures["labels_scored"].value == len(engine.parts.labels("L").texts)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_loop_scores_as_one_text_at_a_time(engine: Any, batch: int) -> None:
    subject = engine.parts.subject()
    texts = ["cat", "numbers and dates", "the word France", "references to capital cities"]
    ids = [tuple(subject.tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    soft = torch.randn(4, tiny.WIDTH, generator=torch.Generator().manual_seed(0))
    found: dict[int, float] = {}
    for rows, scores in loop_scores(subject, soft, ids, batch):
        found.update(zip(rows, scores.tolist(), strict=True))
    for index, text in enumerate(texts):
        assert found[index] == pytest.approx(l2el.slow_score(engine, soft, text), abs=1e-4)


def test_a_workbench_without_a_reader_is_said(tmp_path: Path) -> None:
    engine = tiny.make_engine(tiny.make_workbench(tmp_path, reader=False))
    with pytest.raises(WorkbenchError, match="no reader"):
        measure_labels_ratio(engine)
