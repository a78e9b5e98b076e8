"""The prompt-only reader's scores in bulk: learned slots after the plain text, nothing of the activation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from backends.engine.controls.prompt_only import PromptOnly, background_contexts, prompt_only_of
from backends.engine.evaluating.controls.arithmetic import Floats
from backends.engine.evaluating.controls.bench import ControlBench
from backends.engine.likelihood import Ids, Plan, pair_scores, score_many
from backends.engine.training.progress import Progress

MISSING = (
    "the workbench names no prompt-only reader: train one with `investigator train mapper` and name it in the reader's "
    "`prompt_only`"
)


def reader_of(bench: ControlBench) -> PromptOnly | None:
    """Return the default reader's prompt-only control; None where the workbench names none."""
    return prompt_only_of(bench.engine, bench.reader)


def before(only: PromptOnly, context: Ids) -> Tensor:
    """Return what stands before a text: the embedded context and the slots, [1, length, d]."""
    subject, ids = only.subject, only.cut(context)
    with torch.inference_mode():
        text = subject.embed(torch.tensor([ids], device=subject.device)).to(subject.dtype)
        return torch.cat([text, only.mapper.blind().to(text)], dim=1)


def text_scores(only: PromptOnly, contexts: Sequence[Ids], texts: Sequence[Ids]) -> Floats:
    """Return the score of text i after context i, [pairs]; contexts of one length go together."""
    found = np.full(len(texts), np.nan)
    order = sorted(range(len(texts)), key=lambda pair: len(only.cut(contexts[pair])))
    for _, same in groupby(order, key=lambda pair: len(only.cut(contexts[pair]))):
        pairs = list(same)
        soft = torch.cat([before(only, contexts[pair]) for pair in pairs])
        found[pairs] = pair_scores(only.subject, soft, [texts[pair] for pair in pairs]).numpy()
    return found


def gap_table(
    bench: ControlBench, only: PromptOnly, contexts: Sequence[Ids]
) -> Generator[Progress, None, Floats | None]:
    """Return every label's gap after each context, [contexts, labels], over the mean at the background's own contexts.

    None where the texts before the background positions cannot be made again.
    """
    background = background_contexts(bench.engine, bench.reader.subject)
    if background is None:
        return None
    plan, everywhere = bench.prepared.plan, [*contexts, *background]
    found = np.full((len(everywhere), len(bench.prepared.texts)), np.nan)
    for row, context in enumerate(everywhere):
        found[row] = _row(bench, plan, before(only, context))
        yield Progress(row + 1, len(everywhere), "scoring labels from the text alone")
    gaps: Floats = found[: len(contexts)] - found[len(contexts) :].mean(0)
    return gaps


def _row(bench: ControlBench, plan: Plan, soft: Tensor) -> Floats:
    found = np.full(len(bench.prepared.texts), np.nan)
    for done in score_many(bench.reader.subject, soft, plan):
        found[bench.prepared.valid[done.texts].numpy()] = done.scores[0].numpy()
    return found
