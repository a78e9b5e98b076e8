"""`text`: one sentence under many sources, exact, over a good loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import torch

from backends.engine.bench_likelihood.loop import Done, best_batch, loop_sources
from backends.engine.bench_likelihood.setting import Setting, setting
from backends.engine.bench_likelihood.turns import Side, race, spread
from backends.engine.likelihood import Ids, score_text_at
from investigator.records import Figure

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

POSITIONS = 50000
# Positions that both sides score for each sentence; both grow in proportion, and seconds are scaled to all.
_SHARE = 4096
_TRIED = 256
SENTENCES = 5


def measure(engine: WorkbenchEngine, *, count: int = SENTENCES) -> Iterator[Figure]:
    """Measure sentences of 4 to 8 tokens over many positions, in turns with the loop."""
    here = setting(engine)
    vectors = here.background[
        torch.randint(len(here.background), (_SHARE,), generator=torch.Generator().manual_seed(0))
    ]
    soft = here.reader.soft(vectors)
    chosen = _sentences(here, count)
    batch = best_batch(lambda rows: loop_sources(here.other, soft[:_TRIED], chosen[0], rows))
    rounds = [_round(here, soft, ids, batch) for ids in chosen]
    words = f"transformers loop, {batch} rows a batch; {_SHARE} random positions a sentence"
    yield spread("corpus_exact_ratio", (loop / ours for ours, loop, _ in rounds), "times", ">= 1.3", words)
    scale = POSITIONS / _SHARE
    yield spread("corpus_exact_seconds", (scale * ours for ours, _, _ in rounds), f"s for {POSITIONS} positions")
    yield Figure("corpus_exact_difference", max(worst for _, _, worst in rounds), "nats per token", "<= 1e-4")


def _sentences(here: Setting, count: int) -> list[Ids]:
    """Return sentences of 4 to 8 tokens in turn, as many of each length as evenly as possible."""
    by_length = [[ids for ids in here.ids if len(ids) == length] for length in range(4, 9)]
    short = [found or [ids[:length] for ids in here.ids[:1]] for length, found in enumerate(by_length, 4)]
    return [short[i % len(short)][i // len(short)] for i in range(count)]


def _round(here: Setting, soft: torch.Tensor, ids: Ids, batch: int) -> tuple[float, float, float]:
    ours = Side(score_text_at(here.subject, soft, ids))
    loop = Side(loop_sources(here.other, soft, ids, batch))
    race(ours, loop)
    mine = torch.cat([scores for _, scores in cast(list[tuple[range, torch.Tensor]], ours.results)])
    theirs = torch.cat([scores for _, scores in cast(list[Done], loop.results)]).double().cpu()
    return ours.seconds, loop.seconds, float((mine - theirs).abs().max())
