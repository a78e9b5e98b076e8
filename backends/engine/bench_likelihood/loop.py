"""The loop that everything is compared with: what a good engineer writes with transformers.

Sorted by length, padded on the right, the best of three batch sizes, the library's own attention (SDPA), inference
mode, logits only where a token is predicted and in chunks that stay in cache, same dtype and threads.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache

from backends.engine.likelihood import Ids
from backends.engine.likelihood.attention import own_name
from backends.engine.likelihood.head import chunk_rows
from backends.engine.subject import Subject

BATCHES = (16, 32, 64)
Done = tuple[list[int], Tensor]
"""Indices of finished texts or sources, and their log p(text + end) / tokens."""


def plain(subject: Subject) -> Subject:
    """Return a copy of the subject that runs transformers' own attention and nothing of ours."""
    model = copy.deepcopy(subject.model)
    config = model.config.get_text_config()
    config._attn_implementation = own_name(config)
    return Subject(subject.name, model, subject.tokenizer)


def loop_scores(subject: Subject, soft: Tensor, texts: Sequence[Ids], batch: int) -> Iterator[Done]:
    """Score texts under one soft prompt `[slots, d]`, which every row repeats."""
    for rows in _by_length(texts, batch):
        with torch.inference_mode():
            ids, lengths = _padded(subject, [texts[i] for i in rows])
            embeds = torch.cat([soft.expand(len(rows), -1, -1), subject.embed(ids)], dim=1)
            hidden, _ = subject.body(inputs_embeds=embeds)
            yield rows, _means(subject, hidden[:, len(soft) - 1 :], ids, lengths)


def cached_loop_scores(subject: Subject, soft: Tensor, texts: Sequence[Ids], batch: int) -> Iterator[Done]:
    """Do the same with the soft prompt's key/value states computed once."""
    with torch.inference_mode():
        last, states = subject.body(inputs_embeds=soft[None], past_key_values=DynamicCache(), use_cache=True)
    for rows in _by_length(texts, batch):
        with torch.inference_mode():
            ids, lengths = _padded(subject, [texts[i] for i in rows])
            cache = DynamicCache()
            for index, layer in enumerate(states.layers):
                cache.update(*(part.expand(len(rows), -1, -1, -1) for part in (layer.keys, layer.values)), index)
            hidden, _ = subject.body(input_ids=ids, past_key_values=cache, use_cache=True)
            hidden = torch.cat([last[:, -1:].expand(len(rows), -1, -1), hidden], dim=1)
            yield rows, _means(subject, hidden, ids, lengths)


def loop_sources(subject: Subject, soft: Tensor, text: Ids, batch: int) -> Iterator[Done]:
    """Score one text under many soft prompts `[n, slots, d]`."""
    for start in range(0, len(soft), batch):
        with torch.inference_mode():
            part = soft[start : start + batch]
            ids = torch.tensor([text], device=subject.device).expand(len(part), -1)
            hidden, _ = subject.body(inputs_embeds=torch.cat([part, subject.embed(ids)], dim=1))
            lengths = torch.full((len(part),), len(text) + 1, device=subject.device)
            yield (
                list(range(start, start + len(part))),
                _means(subject, hidden[:, soft.shape[1] - 1 :], ids, lengths),
            )


def _by_length(texts: Sequence[Ids], batch: int) -> Iterator[list[int]]:
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


def _padded(subject: Subject, texts: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, texts))
    ids = torch.tensor([[*ids, *([subject.eos_id] * (longest - len(ids)))] for ids in texts], device=subject.device)
    return ids, torch.tensor([len(ids) + 1 for ids in texts], device=subject.device)


def _means(subject: Subject, hidden: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return log p / tokens from the final hidden states of the last slot and the text, `[rows, longest + 1, d]`."""
    targets = functional.pad(ids, (0, 1), value=subject.eos_id)
    scored = torch.arange(targets.shape[1], device=subject.device) < lengths[:, None]
    rows = chunk_rows(subject)
    chunks = zip(torch.split(hidden[scored], rows), torch.split(targets[scored], rows), strict=True)
    values = torch.cat([-functional.cross_entropy(subject.head(h).float(), t, reduction="none") for h, t in chunks])
    sums = torch.zeros(len(ids), device=subject.device).index_add_(0, scored.nonzero()[:, 0], values)
    return sums / lengths


def best_batch(steps: Callable[[int], Iterator[Done]]) -> int:
    """Return the batch size at which a loop over a sample is fastest, each tried twice after a warm-up."""

    def seconds(batch: int) -> float:
        start = time.perf_counter()
        for _ in steps(batch):
            pass
        return time.perf_counter() - start

    seconds(BATCHES[0])
    return min(BATCHES, key=lambda batch: min(seconds(batch), seconds(batch)))
