"""`top`: the exact best 50 of 65,536 sentences, by score and by gap, over the same loop that scores them all.

The labels themselves are among the sentences and fill most of the best 50 by score; without them the best are made-up
sentences, of which none fits well, which is the harder search. By gap the threshold is seeded by what the label index
finds, whose time counts; without an index, and beside it, by nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from backends.engine.bench_likelihood.indexed import search
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
    from backends.engine.index.label_index import LabelIndex

K = 50
# Sentences that the loop scores beside each search: its time is scaled to all of them.
_SHARE = 2048
# Sources whose full rankings are the background of the gaps, where no more are at hand.
_MEANS = 3
# The source under which the search by gap is made without a seed, too: not the first, which may be the only one.
_UNSEEDED = 1


@dataclass
class _Round:
    """One source: the searches that were made, by name, and seconds of the loop scaled to all sentences."""

    searches: dict[str, Side]
    loop: float

    def ratio(self, name: str) -> float:
        """Return how many times longer the loop takes than a search."""
        return self.loop / self.searches[name].seconds

    def share(self, name: str) -> float:
        """Return the share of nodes that a search visited."""
        return cast(Top, self.searches[name].results[-1]).visited_share


_WANTED = {"top50": ">= 12", "top50_gap": ">= 5"}
_UNITS = {"top50_made": "times, the labels' own texts left out", "top50_gap_unseeded": "times, nothing seeds it"}


def measure(engine: WorkbenchEngine, *, sources: int = SOURCES) -> Iterator[Figure]:
    """Measure the exact top 50 under several sources, in turns with the loop."""
    here = setting(engine)
    for source in range(SOURCES, SOURCES + max(0, _MEANS + 1 - len(here.tables)) if here.index is None else SOURCES):
        here.table(source)
    by_score, by_made = score_bounds(here.plan), gap_bounds(here.plan, _only_made(here))
    some = here.ids[:: max(1, len(here.ids) // 512)]
    batch = best_batch(lambda rows: loop_scores(here.other, here.soft(0)[0], some, rows))
    rounds = in_time("top", range(sources), lambda source: _round(here, source, batch, (by_score, by_made)))
    loop = f"transformers loop over all, {batch} rows a batch; {_SHARE} random sentences beside each source"
    for name in rounds[0].searches:
        found = [each for each in rounds if name in each.searches]
        words = f"{loop}; {len(found)} sources"
        ratios = (each.ratio(name) for each in found)
        yield spread(f"{name}_ratio", ratios, _UNITS.get(name, "times"), _WANTED.get(name, ""), words)
        yield spread(f"{name}_visited_share", (each.share(name) for each in found), "of nodes")
        yield spread(f"{name}_seconds", (each.searches[name].seconds for each in found), "s")


def means(here: Setting, source: int) -> Tensor:
    """Return each sentence's mean `[texts]`: what the index says, or over the other sources ranked in full."""
    if here.index is not None:
        return here.index.means
    return torch.stack([table for other, table in here.tables.items() if other != source]).mean(0)


def _only_made(here: Setting) -> Floats:
    """Return what is taken off each sentence's score: nothing, or NaN, which leaves out what is a label itself."""
    labels = set(here.engine.parts.labels(here.reader.sae).texts) if here.reader.sae else set()
    return np.array([np.nan if text in labels else 0.0 for text in here.texts])


def _round(here: Setting, source: int, batch: int, bounds: tuple[Bounds, Bounds]) -> _Round:
    soft, background = here.soft(source), means(here, source)
    by_gap = gap_bounds(here.plan, background.numpy())
    share = np.random.default_rng(source).permutation(len(here.ids))[:_SHARE]
    names = ("top50", "top50_made")
    sides = {
        name: Side(top_k(here.subject, soft, here.plan, K, bounds=b)) for name, b in zip(names, bounds, strict=True)
    }
    sides["top50_gap"] = Side(_by_gap(here, source, by_gap, here.index))
    if here.index is not None and source == _UNSEEDED:
        sides["top50_gap_unseeded"] = Side(_by_gap(here, source, by_gap, None))
    loop = Side(loop_scores(here.other, soft[0], [here.ids[i] for i in share], batch))
    race(*sides.values(), loop)
    if source in here.tables:
        _check(here.tables[source], cast(Top, sides["top50"].results[-1]))
        for name in sides.keys() & {"top50_gap", "top50_gap_unseeded"}:
            _check(here.tables[source] - background, cast(Top, sides[name].results[-1]))
    return _Round(sides, loop.seconds * len(here.ids) / len(share))


def _by_gap(here: Setting, source: int, bounds: Bounds, index: LabelIndex | None) -> Iterator[object]:
    """Search by gap, after a search of the index where there is one; yields at each model step, the answer last."""
    seeds = None
    if index is not None:
        known = torch.full((len(here.ids),), torch.nan, dtype=torch.float64)
        yield from search(here, index, source, known)
        seeds = torch.nan_to_num(known, nan=-torch.inf).topk(min(K, len(known))).indices
    yield from top_k(here.subject, here.soft(source), here.plan, K, bounds=bounds, candidates=seeds)


def _check(values: Tensor, found: Top) -> None:
    """Raise ScoreError where a search did not find the top of the full ranking."""
    expected = values.sort(descending=True).values[: len(found.values)]
    if float((expected - found.values).abs().max()) > TIE:
        raise ScoreError("The search disagrees with the full ranking.", "This is a fault in the program: report it.")
