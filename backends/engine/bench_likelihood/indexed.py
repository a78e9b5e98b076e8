"""`indexed`: the best 50 of 65,536 sentences by gap from the label index, over the loop that scores them all.

Making the index and measuring its recall are not counted, and printed. The index stays in the cache, so that a second
run finds it. Recall is measured against full rankings of the sources that are timed, none of which the index saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backends.engine.bench_likelihood.first_answer import ASKED, first_answers
from backends.engine.bench_likelihood.loop import best_batch, loop_scores
from backends.engine.bench_likelihood.pace import in_time
from backends.engine.bench_likelihood.sentences import COUNT
from backends.engine.bench_likelihood.setting import SOURCES, Setting, setting
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.index.build_labels import figures, list_fingerprint
from backends.engine.index.label_build import Build
from backends.engine.index.label_card import read_card
from backends.engine.index.label_index import LabelIndex
from backends.engine.index.label_search import rescore
from backends.engine.readers.prepared import Prepared
from investigator.errors import WorkbenchError
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

K = 50
# Sentences that the loop scores beside each search: its time is scaled to all of them.
_SHARE = 2048
# Rankings behind the index: each takes as long as a fifth of an anchor, and says more than another anchor would.
_FITTED, _HELD = 4, 1
_ANCHORS = 1


@dataclass
class _Round:
    """One source: seconds of our search and of the loop scaled to all sentences, and what was found."""

    ours: float
    loop: float
    recall: float
    estimate: float


def measure(
    engine: WorkbenchEngine, *, sources: int = SOURCES, count: int = COUNT, asked: int = ASKED
) -> Iterator[Figure]:
    """Make the index where it is not there, then measure searches under several sources, in turns with the loop."""
    here = setting(engine, count=count)
    index = make_index(here)
    yield from figures(index.card, index.folder, sum(index.card.seconds.values()))
    some = here.ids[:: max(1, len(here.ids) // 512)]
    batch = best_batch(lambda rows: loop_scores(here.other, here.soft(0)[0], some, rows))
    rounds = in_time("indexed", range(sources), lambda source: _round(here, index, source, batch))
    loop = f"transformers loop over all, {batch} rows a batch; {_SHARE} random sentences beside each source"
    found = f"full rankings of {len(rounds)} sources, by gap; {index.card.gap.candidates} sentences scored exactly"
    yield spread("indexed_top50_ratio", (r.loop / r.ours for r in rounds), "times", ">= 50", loop)
    yield spread("indexed_top50_seconds", (r.ours for r in rounds), "s")
    recall = [r.recall for r in rounds]
    yield Figure("indexed_recall_at_50", float(np.mean(recall)), "share", ">= 0.95", (min(recall), max(recall)), found)
    yield spread(
        "indexed_estimate_recall_at_50", (r.estimate for r in rounds), "share", compared_with="no exact scores"
    )
    yield from first_answers(here, asked)


def make_index(here: Setting) -> LabelIndex:
    """Make, finish or find the index of the benchmark's sentences."""
    prepared = prepared_of(here)
    build = Build(
        here.engine,
        here.reader,
        prepared,
        list_fingerprint(prepared.texts),
        anchors=_ANCHORS,
        sources=_FITTED,
        heldout=_HELD,
    )
    for _ in build.run():
        pass
    card = read_card(build.folder)
    if card is None:
        raise WorkbenchError("The index was not finished.", "Run the benchmark again.")
    here.index = LabelIndex(build.folder, card)
    return here.index


def prepared_of(here: Setting) -> Prepared:
    """Return the benchmark's sentences as a ranking takes them."""
    prepared = Prepared(tuple(here.texts), {}, torch.arange(len(here.ids)), tuple(here.ids), here.plan.tokens_a_step)
    return prepared.planned(here.plan)


def _round(here: Setting, index: LabelIndex, source: int, batch: int) -> _Round:
    share = np.random.default_rng(source).permutation(len(here.ids))[:_SHARE]
    known = torch.full((len(here.ids),), torch.nan, dtype=torch.float64)
    ours = Side(search(here, index, source, known))
    loop = Side(loop_scores(here.other, here.soft(source)[0], [here.ids[i] for i in share], batch))
    race(ours, loop)
    gaps = here.table(source) - index.means
    best = gaps.topk(min(K, len(gaps))).indices
    guess = index.first(_input(here, source)).topk(len(best)).indices
    return _Round(
        ours.seconds,
        loop.seconds * len(here.ids) / len(share),
        float(known[best].isfinite().float().mean()),
        float(torch.isin(best, guess).float().mean()),
    )


def _input(here: Setting, source: int) -> Tensor:
    vector = here.background[source % len(here.background)]
    with torch.inference_mode():
        return here.reader.mapper.inputs(vector[None].to(here.subject.device, torch.float32))[0].cpu()


def search(here: Setting, index: LabelIndex, source: int, known: Tensor) -> Iterator[int]:
    """Do everything that a ranking by gap does, from the activation to the best candidates' exact scores.

    Yields the number of sentences scored so far, after each model step; their gaps stand in `known` `[texts]`, where
    all others are NaN.
    """
    soft, input = here.soft(source), _input(here, source)
    index.first(input)
    yield 0
    refiner = index.refiner(here.reader, input, soft, by_score=False)
    yield 0
    candidates = index.card.gap.candidates
    for done in rescore(here.subject, soft, here.ids, refiner, index.means, candidates=candidates):
        if done is not None:
            known[done[0]] = done[1] - index.means[done[0]]
        yield int(known.isfinite().sum())
