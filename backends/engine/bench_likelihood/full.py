"""`full`: all scores of 65,536 sentences, over a good loop and over one with the soft prompt's states cached.

One pass of each loop is split over the sources: beside each full ranking of ours runs a random share of the sentences,
one share a source, and its time is scaled to all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from backends.engine.bench_likelihood.loop import Done, best_batch, cached_loop_scores, loop_scores
from backends.engine.bench_likelihood.operations import node_operations
from backends.engine.bench_likelihood.pace import in_time
from backends.engine.bench_likelihood.setting import SOURCES, Setting, setting
from backends.engine.bench_likelihood.turns import Product, Side, race, spread
from backends.engine.likelihood import GridScores, Ids, score_many
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# Sentences a loop's batch size is tried on, and those checked one at a time against the slow reference.
_TRIED, _CHECKED = 512, 24


@dataclass
class _Round:
    """One source: seconds of a full ranking, and of both loops scaled to all sentences."""

    ours: float
    loop: float
    cached: float
    difference: float


def measure(engine: WorkbenchEngine, *, sources: int = SOURCES) -> Iterator[Figure]:
    """Measure full rankings under several sources in turns with both loops."""
    here = setting(engine)
    yield from facts(here)
    product = Product(here.subject.device)
    batches = _batches(here)
    shares = torch.randperm(len(here.ids), generator=torch.Generator().manual_seed(0)).chunk(sources)
    rounds = in_time(
        "full", range(len(shares)), lambda source: _round(here, source, shares[source].tolist(), batches, product)
    )
    words = f"{len(rounds)} sources, beside each a random {len(shares)}th of one pass"
    loop = f"transformers loop, {batches[0]} rows a batch; {words}"
    cached = f"the same with the soft prompt cached, {batches[1]} rows a batch; {words}"
    yield spread("full_ranking_ratio", (r.loop / r.ours for r in rounds), "times", ">= 4", loop)
    yield spread("full_ranking_ratio_cached", (r.cached / r.ours for r in rounds), "times", ">= 2", cached)
    needed, peak = node_operations(here), product.rate
    speed = f"{peak / 1e9:.0f} GFLOP/s, measured in between"
    yield spread("matmul_share", (needed / r.ours / peak for r in rounds), "of a 2,048-cubed product", ">= 0.5", speed)
    yield spread("full_ranking_seconds", (r.ours for r in rounds), "s")
    yield spread("loop_seconds", (r.loop for r in rounds), "s")
    yield spread("cached_loop_seconds", (r.cached for r in rounds), "s")
    worst = max(r.difference for r in rounds)
    yield Figure("max_abs_difference", worst, "nats per token", "<= 1e-4", compared_with="one text at a time, plain")


def facts(here: Setting) -> Iterator[Figure]:
    """Return what the sentences are like, and how long planning took."""
    tokens = sum(map(len, here.ids))
    yield Figure("sentences", float(len(here.ids)), "distinct sentences")
    yield Figure("tokens_on_average", tokens / len(here.ids), "tokens, without the end", "9 to 12")
    yield Figure("distinct_share", here.plan.trie.size / tokens, "of tokens are distinct beginnings", "0.6 to 0.75")
    yield Figure("planning_seconds", here.planning, "s, once a label set")


def _batches(here: Setting) -> tuple[int, int]:
    soft, some = here.soft(0)[0], here.ids[:: max(1, len(here.ids) // _TRIED)]
    return (
        best_batch(lambda batch: loop_scores(here.other, soft, some, batch)),
        best_batch(lambda batch: cached_loop_scores(here.other, soft, some, batch)),
    )


def _round(here: Setting, source: int, share: list[int], batches: tuple[int, int], product: Product) -> _Round:
    soft, texts = here.soft(source), [here.ids[i] for i in share]
    ours = Side(score_many(here.subject, soft, here.plan))
    loop = Side(loop_scores(here.other, soft[0], texts, batches[0]))
    cached = Side(cached_loop_scores(here.other, soft[0], texts, batches[1]))
    race(ours, loop, cached, between=product.measure)
    table = torch.full((len(here.ids),), torch.nan, dtype=torch.float64)
    for done in cast(list[GridScores], ours.results):
        table[done.texts] = done.scores[0]
    here.tables[source] = table
    scale = len(here.ids) / len(share)
    checked = {i: slow_score(here, soft[0], here.ids[i]) for i in share[:_CHECKED]}
    worst = max(abs(float(table[i]) - value) for i, value in checked.items())
    for rows, values in islice(cast(list[Done], loop.results), 1):
        worst = max(worst, float((table[[share[i] for i in rows]] - values.double().cpu()).abs().max()))
    return _Round(ours.seconds, scale * loop.seconds, scale * cached.seconds, worst)


def slow_score(here: Setting, soft: Tensor, ids: Ids) -> float:
    """Return log p(text + end) / tokens by one plain forward pass, without padding, packing or cache."""
    subject = here.other
    with torch.inference_mode():
        text = subject.embed(torch.tensor([ids], device=subject.device))
        hidden, _ = subject.body(inputs_embeds=torch.cat([soft[None].to(text), text], 1))
        log_p = subject.head(hidden[0, len(soft) - 1 :]).double().log_softmax(-1)
        target = torch.tensor([*ids, subject.eos_id], device=log_p.device)
        return float(log_p.gather(1, target[:, None]).mean())
