"""`top`: the exact best 50 of 65,536 sentences, by score and by gap, over the same loop that scores them all.

The labels themselves are among the sentences and fill most of the best 50 by score; without them the best are made-up
sentences, of which none fits well, which is the harder search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from backends.engine.bench_likelihood.loop import best_batch, loop_scores
from backends.engine.bench_likelihood.pace import in_time
from backends.engine.bench_likelihood.setting import SOURCES, Setting, setting
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.likelihood import TIE, Top, top_k
from backends.engine.likelihood.bounds import Bounds, Floats, gap_bounds, score_bounds
from investigator.errors import ScoreError
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

K = 50
# Sentences that the loop scores beside each search: its time is scaled to all of them.
_SHARE = 2048
# Sources whose full rankings are the background of the gaps, where no more are at hand.
_MEANS = 3


@dataclass
class _Round:
    """One source: seconds of the searches and of the loop scaled to all sentences, and the shares visited."""

    score: float
    gap: float
    made: float
    loop: float
    score_share: float
    gap_share: float
    made_share: float


def measure(engine: WorkbenchEngine, *, sources: int = SOURCES) -> Iterator[Figure]:
    """Measure the exact top 50 under several sources, in turns with the loop; no candidates seed the threshold."""
    here = setting(engine)
    for source in range(SOURCES, SOURCES + max(0, _MEANS + 1 - len(here.tables))):
        here.table(source)
    by_score, by_made = score_bounds(here.plan), gap_bounds(here.plan, _only_made(here))
    some = here.ids[:: max(1, len(here.ids) // 512)]
    batch = best_batch(lambda rows: loop_scores(here.other, here.soft(0)[0], some, rows))
    rounds = in_time("top", range(sources), lambda source: _round(here, source, batch, (by_score, by_made)))
    loop = f"transformers loop over all, {batch} rows a batch; {_SHARE} random sentences beside {len(rounds)} sources"
    yield spread("top50_ratio", (r.loop / r.score for r in rounds), "times", ">= 12", loop)
    yield spread("top50_visited_share", (r.score_share for r in rounds), "of nodes")
    yield spread("top50_seconds", (r.score for r in rounds), "s")
    yield spread("top50_gap_ratio", (r.loop / r.gap for r in rounds), "times", ">= 5", loop)
    yield spread("top50_gap_visited_share", (r.gap_share for r in rounds), "of nodes")
    yield spread("top50_gap_seconds", (r.gap for r in rounds), "s")
    yield spread(
        "top50_made_ratio", (r.loop / r.made for r in rounds), "times, the labels' own texts left out", "", loop
    )
    yield spread("top50_made_visited_share", (r.made_share for r in rounds), "of nodes")


def means(here: Setting, source: int) -> Tensor:
    """Return each sentence's mean over the other sources that were ranked in full, `[texts]`."""
    return torch.stack([table for other, table in here.tables.items() if other != source]).mean(0)


def _only_made(here: Setting) -> Floats:
    """Return what is taken off each sentence's score: nothing, or NaN, which leaves out what is a label itself."""
    labels = set(here.engine.parts.labels(here.reader.sae).texts) if here.reader.sae else set()
    return np.array([np.nan if text in labels else 0.0 for text in here.texts])


def _round(here: Setting, source: int, batch: int, bounds: tuple[Bounds, Bounds]) -> _Round:
    soft, background = here.soft(source), means(here, source)
    by_gap = gap_bounds(here.plan, background.numpy())
    share = np.random.default_rng(source).permutation(len(here.ids))[:_SHARE]
    score, made = (Side(top_k(here.subject, soft, here.plan, K, bounds=each)) for each in bounds)
    gap = Side(top_k(here.subject, soft, here.plan, K, bounds=by_gap))
    loop = Side(loop_scores(here.other, soft[0], [here.ids[i] for i in share], batch))
    race(score, gap, made, loop)
    tops = [cast(Top, side.results[-1]) for side in (score, gap, made)]
    if source in here.tables:
        _check(here.tables[source], tops[0])
        _check(here.tables[source] - background, tops[1])
    scaled = loop.seconds * len(here.ids) / len(share)
    return _Round(score.seconds, gap.seconds, made.seconds, scaled, *(top.visited_share for top in tops))


def _check(values: Tensor, found: Top) -> None:
    """Raise ScoreError where a search did not find the top of the full ranking."""
    expected = values.sort(descending=True).values[: len(found.values)]
    if float((expected - found.values).abs().max()) > TIE:
        raise ScoreError("The search disagrees with the full ranking.", "This is a fault in the program: report it.")
