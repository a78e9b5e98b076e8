"""Drawing tokens: temperature and nucleus, seeded on the processor so that a seed gives the same text everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.states import PrefixStates, make_cache


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of most probable tokens whose mass exceeds `top_p`, rescaled to 1; `[rows, vocabulary]`.

    The token that crosses the threshold is kept (L2EL, appendix B.1), so at least one always is.
    """
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    kept = torch.zeros_like(rows)
    best, order = rows.topk(min(_CANDIDATES, rows.shape[-1]), dim=-1)
    wide = best.sum(-1) <= top_p
    kept.scatter_(-1, order, _cut(best, top_p))
    if bool(wide.any()):
        falling, order = rows[wide].sort(dim=-1, descending=True, stable=True)
        kept[wide] = torch.zeros_like(falling).scatter_(-1, order, _cut(falling, top_p))
    return kept.reshape(probabilities.shape)


# Sorting a whole vocabulary is most of a small model's step; a nucleus rarely holds more than these.
_CANDIDATES = 512


def _cut(falling: Tensor, top_p: float) -> Tensor:
    """Return falling probabilities up to the one that crosses `top_p`, rescaled to 1."""
    kept = falling.masked_fill(falling.cumsum(-1) - falling > top_p, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def choose(logits: Tensor, *, temperature: float, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw one token a row from logits `[rows, vocabulary]`; temperature 0 takes the most probable one."""
    logits = logits.double().cpu()
    if temperature == 0:
        return logits.argmax(-1)
    kept = nucleus((logits / temperature).softmax(-1), top_p)
    return torch.multinomial(kept, 1, generator=generator)[:, 0]


Ends = tuple[Collection[int], Callable[[list[int]], bool]]
"""Tokens that end a text, and what else says that it has ended."""


@dataclass(frozen=True)
class Drawn:
    """One finished text."""

    row: int
    ids: tuple[int, ...]
    """Its tokens, without the end."""
    ended: bool
    """Whether it ended by itself rather than at the longest length."""


def draw(
    model: LanguageModel,
    prefix: PrefixStates,
    *,
    samples: int,
    temperature: float,
    top_p: float,
    max_tokens: int,
    seed: int,
    stops: Collection[int] = (),
    ended: Callable[[list[int]], bool] = lambda ids: False,
) -> Iterator[list[Drawn]]:
    """Draw texts after one prompt, all in one batch with cached states: yields what each model step finished.

    A text ends at one of `stops` (none: end-of-text), which it does not hold, or when `ended` says so of its tokens.
    Every row draws at every step, finished or not, so that one row's text does not depend on another's length.
    """
    stops = frozenset(stops or (model.eos_id,))
    generator = torch.Generator().manual_seed(seed)
    layers = [(keys.expand(samples, -1, -1, -1), values.expand(samples, -1, -1, -1)) for keys, values in prefix.layers]
    with torch.inference_mode():
        cache, hidden = make_cache(layers), prefix.last.expand(samples, -1)
    texts: list[list[int]] = [[] for _ in range(samples)]
    running = set(range(samples))
    for length in range(max_tokens + 1):
        with torch.inference_mode():
            tokens = choose(model.head(hidden), temperature=temperature, top_p=top_p, generator=generator)
        done = _take(texts, running, tokens.tolist(), (stops, ended), last=length == max_tokens)
        if not running:
            yield done
            return
        hidden = _advance(model, tokens, cache, prefix.slots + length)
        yield done


def _take(texts: list[list[int]], running: set[int], tokens: list[int], ends: Ends, *, last: bool) -> list[Drawn]:
    done = []
    stops, ended = ends
    for row in sorted(running):
        stopped = tokens[row] in stops
        if not stopped and not last:
            texts[row].append(tokens[row])
            stopped = ended(texts[row])
        if stopped or last:
            done.append(Drawn(row, tuple(texts[row]), stopped))
    running.difference_update(drawn.row for drawn in done)
    return done


def _advance(model: LanguageModel, tokens: Tensor, cache: object, position: int) -> Tensor:
    with torch.inference_mode():
        ids = tokens[:, None].to(model.device)
        mask = torch.ones(len(ids), position + 1, dtype=torch.long, device=model.device)
        positions = torch.full_like(ids, position)
        hidden, _ = model.body(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return hidden[:, -1]
