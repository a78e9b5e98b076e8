"""`corpus`: one sentence over an indexed corpus, against a good loop over every position; and what an index costs.

The corpus is the workbench's held-out documents, whole contexts of them in order, until there are enough positions. The
index of it is made before any clock runs; the exact best positions that recall is counted by are found afterwards.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.bench_likelihood.loop import best_batch, loop_sources
from backends.engine.bench_likelihood.pace import in_time
from backends.engine.bench_likelihood.setting import Setting, setting
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.index.corpus_calibration import TOP, sentences
from backends.engine.index.corpus_index import CorpusIndex
from backends.engine.index.corpus_job import make_build
from backends.engine.index.corpus_probe import Probe
from backends.engine.index.corpus_search import Search, budget
from backends.engine.index.corpus_view import View
from backends.engine.likelihood import Ids
from backends.engine.likelihood.best_sources import BestSources, best_of_each
from investigator.errors import WorkbenchError
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

POSITIONS = 50_000
# Captured so that more than the wanted number can be searched: special tokens and first positions are not.
_TOKENS = 56_000
# Positions that the loop scores for each sentence; its time is scaled to all.
_SHARE = 2048
_TRIED = 256
SMALL = 16_384
"""Tokens of the small index that growth is measured from; the large one has four times as many."""
_FACTOR = 4


def measure(engine: WorkbenchEngine) -> Iterator[Figure]:
    """Measure searches, then what an index of four times as many positions costs."""
    here = setting(engine)
    with tempfile.TemporaryDirectory() as folder:
        index = _index(engine, here, Path(folder) / "index")
        yield from _searches(here, View(index, here.reader))
    yield from growth(engine)


def _files(engine: WorkbenchEngine) -> list[Path]:
    folder = engine.workbench.heldout
    found = sorted(engine.parts.path(folder).glob("*.jsonl"), reverse=True) if folder else []
    if not found:
        raise WorkbenchError("The workbench has no held-out documents to search.", "Name their folder as `heldout`.")
    return found


def _index(engine: WorkbenchEngine, here: Setting, folder: Path) -> CorpusIndex:
    layers = (here.reader.layer,)
    build = make_build(engine, _files(engine), folder, name="bench", layers=layers, most_tokens=_TOKENS)
    for _ in build.run():
        pass
    return CorpusIndex.open(folder, here.subject)


@dataclass
class _Round:
    """One sentence: seconds of both sides, and the search."""

    ours: float
    loop: float
    search: Search


def _searches(here: Setting, view: View) -> Iterator[Figure]:
    chosen = list(_sentences(here).values())
    some = view.rows(np.sort(np.random.default_rng(0).choice(view.size, size=min(_SHARE, view.size), replace=False)))
    with torch.inference_mode():
        soft = here.reader.mapper.prompts(some.to(here.subject.device)).to(here.subject.dtype)
    batch = best_batch(lambda rows: loop_sources(here.other, soft[:_TRIED], chosen[0], rows))
    rounds = in_time("corpus", chosen, lambda ids: _round(here, view, soft, ids, batch))
    scale = view.size / len(soft)
    words = f"transformers loop, {batch} rows a batch, timed on {len(soft)} of {view.size} positions"
    words += f"; {len(rounds)} sentences"
    ratios = (scale * one.loop / one.ours for one in rounds)
    yield spread("corpus_indexed_ratio", ratios, "times", ">= 30", words)
    yield spread("corpus_indexed_seconds", (one.ours for one in rounds), f"s for {view.size} positions")
    yield Figure("corpus_indexed_rescored", float(budget(view.size)), f"of {view.size} positions scored exactly")
    begun = time.perf_counter()
    recalls = recalled(here, view, chosen[: len(rounds)], [one.search for one in rounds])
    mean, ends = float(np.mean(recalls)), (min(recalls), max(recalls))
    words = f"the exact best of all {view.size} positions, {len(rounds)} sentences"
    yield Figure(f"corpus_recall_at_{TOP}", mean, "of the best positions, mean", ">= 0.9", ends, words)
    yield Figure("corpus_truth_seconds", time.perf_counter() - begun, "s for the exact best of these sentences")


def _sentences(here: Setting) -> dict[str, Ids]:
    """Return five labels of 4 to 8 tokens, kept from training where there are such; sentences where there are none."""
    labels = here.engine.parts.labels(here.reader.sae)
    return sentences(here.reader, labels, np.random.default_rng(0))


def recalled(here: Setting, view: View, texts: Sequence[Ids], searches: Sequence[Search]) -> list[float]:
    """Return which share of each sentence's exact best positions its search has scored."""
    # A search's own exact scores say what the best must come up to.
    least = [float(np.sort(search.values)[-TOP:][0]) for search in searches]
    found = [(np.zeros(0, dtype=np.int64), np.zeros(0)) for _ in texts]
    for first, inputs in view.blocks():
        for at, best in enumerate(_best(here, inputs, texts, least)):
            numbers, scores = (
                np.append(found[at][0], first + best.sources.numpy()),
                np.append(found[at][1], best.scores),
            )
            order = np.argsort(-scores, kind="stable")[:TOP]
            found[at] = numbers[order], scores[order]
    return [_share(numbers, search) for (numbers, _), search in zip(found, searches, strict=True)]


def _best(here: Setting, inputs: Tensor, texts: Sequence[Ids], least: Sequence[float]) -> list[BestSources]:
    with torch.inference_mode():
        soft = here.reader.mapper.prompts(inputs.to(here.subject.device)).to(here.subject.dtype)
    *_, last = best_of_each(here.subject, soft, texts, TOP, thresholds=least)
    return last


def _share(best: NDArray[np.int64], search: Search) -> float:
    return float(np.isin(best, search.numbers).mean())


def _round(here: Setting, view: View, soft: Tensor, ids: Ids, batch: int) -> _Round:
    search = Search(view, Probe(here.reader, ids))
    ours = Side(_steps(search.run(budget(view.size))))
    loop = Side(loop_sources(here.other, soft, ids, batch))
    race(ours, loop)
    return _Round(ours.seconds, loop.seconds, search)


def _steps(steps: Iterator[int | None]) -> Iterator[int]:
    """Yield something at every step, because a side's turn ends at None."""
    for done in steps:
        yield done or 0


# What an index costs

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from backends.engine.engine import WorkbenchEngine
from backends.engine.index.corpus_job import make_build
workbench, folder, tokens, files = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
engine = WorkbenchEngine(workbench)
engine.load()
build = make_build(engine, [Path(file) for file in files], folder, name="growth", most_tokens=tokens)
engine.captures.get(engine.parts.subject(), tuple(engine.parts.subject().encode("warm " * 64)))
start = time.perf_counter()
for _ in build.run():
    pass
seconds = time.perf_counter() - start
size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, size, peak]))
"""


def growth(engine: WorkbenchEngine) -> Iterator[Figure]:
    """Build a small index, one of four times as many positions, and the small one again, each in its own process."""
    first, large, second = (_cost(engine, tokens) for tokens in (SMALL, _FACTOR * SMALL, SMALL))
    small = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    words = f"an index of {_FACTOR * SMALL} positions over one of {SMALL}"
    yield Figure("index_seconds_growth", large[0] / small[0], "times", "3.6 to 4.4", compared_with=words)
    yield Figure("index_bytes_growth", large[1] / small[1], "times", "3.95 to 4.05", compared_with=words)
    yield Figure("index_peak_growth", large[2] / small[2], "times", "<= 1.1", compared_with=words)
    yield Figure("index_positions_a_second", _FACTOR * SMALL / large[0], "positions a second")


def _cost(engine: WorkbenchEngine, tokens: int) -> list[float]:
    """Return seconds, bytes and peak memory of an index of so many tokens."""
    files = [str(file) for file in _files(engine)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, "-c", _CHILD, engine.name, f"{folder}/index", str(tokens), *files]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    if done.returncode:
        raise WorkbenchError(f"An index could not be made to be measured: {done.stderr.strip()[-300:]}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found
