"""The benchmark's corpus part: its truth is every position's exact score, and a part ends when its time is over."""

from __future__ import annotations

from typing import Any

import l2el_tools as l2el
import numpy as np
import pytest
import torch

import tiny
from backends.engine.bench_likelihood import corpus, pace
from backends.engine.bench_likelihood.setting import Setting, setting
from backends.engine.index.corpus_calibration import TOP, Sample
from backends.engine.index.corpus_probe import Probe
from backends.engine.index.corpus_search import Search
from backends.engine.likelihood import grid_table


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    engine: Any = tiny.make_engine(l2el.make_bench(tmp_path_factory.mktemp("bench")))
    return setting(engine, count=60)


class Blocks(Sample):
    """Positions that come in blocks, as an index gives them."""

    def blocks(self) -> Any:
        """Yield the inputs in three blocks."""
        for part in torch.arange(self.size).chunk(3):
            yield int(part[0]), self._inputs[part]


def test_recall_is_counted_by_the_exact_scores_of_every_position(here: Setting) -> None:
    inputs = here.reader.mapper.inputs(torch.randn(300, tiny.WIDTH, generator=torch.Generator().manual_seed(0)))
    view, texts = Blocks(inputs), list(here.ids[:3])
    searches = [Search(view, Probe(here.reader, ids)) for ids in texts]
    for search in searches:
        list(search.run(100))
    found = corpus.recalled(here, view, texts, searches)  # type: ignore[arg-type]
    scores = grid_table(here.subject, here.reader.mapper.prompts(inputs), texts)
    for column, (search, recall) in enumerate(zip(searches, found, strict=True)):
        best = scores[:, column].topk(TOP).indices.numpy()
        assert recall == pytest.approx(float(np.isin(best, search.numbers).mean()))


def test_a_part_measures_three_at_least_and_no_more_than_its_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("backends.engine.bench_likelihood.pace.time.monotonic", lambda: now[0])

    def slow(seconds: float) -> Any:
        def measure(item: int) -> int:
            now[0] += seconds
            return item

        return measure

    assert pace.in_time("top", range(9), slow(1000.0)) == [0, 1, 2]
    assert pace.in_time("top", range(9), slow(1.0)) == list(range(9))
    pace.begin()
    now[0] += pace.LIMIT
    assert pace.in_time("full", range(9), slow(1.0)) == [0], "what comes later needs the time"
    pace.begin()
    assert pace.in_time("full", range(9), slow(400.0)) == [0, 1, 2], "the time was not over when it began"
    monkeypatch.setattr(pace, "_begun", [])
