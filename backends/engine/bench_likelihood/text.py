"""`text`: one sentence over many positions, its exact best 20 and all its scores, over a good loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from backends.engine.bench_likelihood.loop import Done, best_batch, loop_sources
from backends.engine.bench_likelihood.setting import Setting, setting
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.likelihood import BestSources, Ids, best_sources, score_text_at
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

POSITIONS = 50000
# Positions that both sides score for each sentence; both grow in proportion, and seconds are scaled to all.
_SHARE = 4096
_TRIED = 256
SENTENCES = 5
K = 20


@dataclass
class _Round:
    """One sentence: seconds of the best, of all scores and of the loop, and the largest difference."""

    best: float
    every: float
    loop: float
    difference: float


def measure(engine: WorkbenchEngine, *, count: int = SENTENCES) -> Iterator[Figure]:
    """Measure sentences of 4 to 8 tokens over many positions, in turns with the loop."""
    here = setting(engine)
    vectors = here.background[
        torch.randint(len(here.background), (_SHARE,), generator=torch.Generator().manual_seed(0))
    ]
    soft = here.reader.soft_prompts(vectors)
    chosen = _sentences(here, count)
    batch = best_batch(lambda rows: loop_sources(here.other, soft[:_TRIED], chosen[0], rows))
    rounds = [_round(here, soft, ids, batch) for ids in chosen]
    words = f"transformers loop over all, {batch} rows a batch; {_SHARE} background positions a sentence"
    yield spread("corpus_exact_ratio", (r.loop / r.best for r in rounds), "times, exact best 20", ">= 1.3", words)
    yield spread("corpus_all_scores_ratio", (r.loop / r.every for r in rounds), "times, all scores", "", words)
    scale = POSITIONS / _SHARE
    yield spread("corpus_exact_seconds", (scale * r.best for r in rounds), f"s for {POSITIONS} positions")
    yield spread("corpus_all_scores_seconds", (scale * r.every for r in rounds), f"s for {POSITIONS} positions")
    yield Figure("corpus_exact_difference", max(r.difference for r in rounds), "nats per token", "<= 1e-4")


def _sentences(here: Setting, count: int) -> list[Ids]:
    """Return sentences of 4 to 8 tokens in turn, as many of each length as evenly as possible."""
    by_length = [[ids for ids in here.ids if len(ids) == length] for length in range(4, 9)]
    short = [found or [ids[:length] for ids in here.ids[:1]] for length, found in enumerate(by_length, 4)]
    return [short[i % len(short)][i // len(short)] for i in range(count)]


def _round(here: Setting, soft: torch.Tensor, ids: Ids, batch: int) -> _Round:
    best = Side(best_sources(here.subject, soft, ids, K))
    every = Side(score_text_at(here.subject, soft, ids))
    loop = Side(loop_sources(here.other, soft, ids, batch))
    race(best, every, loop)
    mine = torch.cat([scores for _, scores in cast(list[tuple[range, torch.Tensor]], every.results)])
    theirs = torch.cat([scores for _, scores in cast(list[Done], loop.results)]).double().cpu()
    found = cast(BestSources, best.results[-1]).scores
    worst = max((mine - theirs).abs().max(), (theirs.sort(descending=True).values[: len(found)] - found).abs().max())
    return _Round(best.seconds, every.seconds, loop.seconds, float(worst))
