"""A search's rounds: the most promising labels scored exactly, the estimate of the others corrected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from backends.engine.index.label_refine import Refiner, rounds
from backends.engine.likelihood import Ids, LanguageModel, make_plan, score_many, tokens_a_step


def rescore(
    model: LanguageModel,
    soft: Tensor,
    texts: Sequence[Ids],
    refiner: Refiner,
    means: Tensor,
    *,
    candidates: int,
    first: Tensor | None = None,
) -> Iterator[tuple[Tensor, Tensor] | None]:
    """Score `candidates` of the texts exactly under one soft prompt `[1, slots, d]`, in rounds.

    Yields None at each model step, and after each round the texts' indices and scores `[k]`, float64. `means` `[texts]`
    are what gaps are measured from; `first` are texts that are scored whatever the estimate says of them.
    """
    for number, count in enumerate(rounds(candidates)):
        chosen = refiner.next(count)
        if number == 0 and first is not None:
            chosen = torch.cat([first, chosen[~torch.isin(chosen, first)]])
        if not len(chosen):
            return
        plan = make_plan([texts[index] for index in chosen.tolist()], tokens_a_step=tokens_a_step(model))
        scores = torch.full((len(chosen),), torch.nan, dtype=torch.float64)
        for done in score_many(model, soft, plan):
            scores[done.texts] = done.scores[0]
            yield None
        refiner.learn(chosen, (scores - means[chosen]).float())
        yield chosen, scores
