"""One text under many soft prompts: the other way round of a label ranking, where the soft prompts are the work.

All slots but the last run first, and only as far as the last layer's keys and values: nothing reads their final
hidden states. The last slot runs with the text, since it predicts the text's first token.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from backends.engine.likelihood.attention import Heads, LastLayerReached
from backends.engine.likelihood.fused import run_body
from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.memory import fewer
from backends.engine.likelihood.model import LanguageModel, tokens_a_step
from backends.engine.likelihood.pairs import score_pairs
from backends.engine.likelihood.routes import walks
from backends.engine.likelihood.states import Pair
from backends.engine.likelihood.texts import Ids


def score_text_at(model: LanguageModel, soft: Tensor, ids: Ids) -> Iterator[tuple[range, Tensor]]:
    """Score one text under each soft prompt of `[n, slots, d]`, yielding after each model step.

    Yields a range of the soft prompts and their scores `[len(range)]`: log p(text + end) / tokens including the end,
    in nats, float64 on the CPU; NaN where it failed. Closing the generator stops the work. Steps are halved where
    memory is short; raises ScoreError where it is for one soft prompt.
    """
    if not walks(model):
        yield from _as_pairs(model, soft, ids)
        return
    rows, start = sources_a_step(model, soft.shape[1], len(ids)), 0
    while start < len(soft):
        try:
            with torch.inference_mode():
                scores = _scores(model, soft[start : start + rows], ids)
        except (MemoryError, RuntimeError) as error:
            rows = fewer(error, min(rows, len(soft) - start))
            continue
        yield range(start, start + len(scores)), scores
        start += len(scores)


def sources_a_step(model: LanguageModel, slots: int, tokens: int) -> int:
    """Return how many soft prompts one model step holds: slots and text run one after the other."""
    return max(1, tokens_a_step(model) // max(slots - 1, tokens + 1))


def _as_pairs(model: LanguageModel, soft: Tensor, ids: Ids) -> Iterator[tuple[range, Tensor]]:
    rows = sources_a_step(model, soft.shape[1], len(ids))
    for start in range(0, len(soft), rows):
        part = soft[start : start + rows]
        scores = torch.full((len(part),), torch.nan, dtype=torch.float64)
        for done in score_pairs(model, part, [ids] * len(part)):
            scores[done.pairs] = done.scores
        yield range(start, start + len(part)), scores


def _scores(model: LanguageModel, soft: Tensor, ids: Ids) -> Tensor:
    soft = soft.to(model.device, model.dtype)
    rows = len(soft)
    past = Past(model)
    past.fill(soft[:, :-1])
    tokens = torch.tensor(ids, device=model.device)
    text = model.embed(tokens).to(model.dtype).expand(rows, -1, -1)
    hidden = run_body(model, past.read, _positions(soft, ids), embeds=torch.cat([soft[:, -1:], text], 1))
    targets = functional.pad(tokens, (0, 1), value=model.eos_id).repeat(rows)
    at = torch.arange(len(targets), device=model.device)
    values = log_probs(model, hidden.reshape(len(targets), -1), at, targets).view(rows, -1)
    scores = values.sum(-1) / values.shape[1]
    return scores.where(scores.isfinite(), torch.nan).cpu()


def _positions(soft: Tensor, ids: Ids) -> Tensor:
    first = soft.shape[1] - 1
    return torch.arange(first, first + len(ids) + 1, device=soft.device).expand(len(soft), -1)


class Past:
    """Every layer's states of all slots but the last, and of what has followed them."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.layers = int(model.model.config.get_text_config().num_hidden_layers)
        self.states: list[Pair] = []

    @property
    def length(self) -> int:
        """Return how many positions are kept."""
        return self.states[0][0].shape[2] if self.states else 0

    def fill(self, soft: Tensor) -> None:
        """Run slots `[rows, n, d]` up to the last layer's keys and values."""
        if soft.shape[1] == 0:
            return
        positions = torch.arange(soft.shape[1], device=soft.device).expand(len(soft), -1)
        try:
            run_body(self.model, self._keep, positions, embeds=soft)
        except LastLayerReached:
            return

    def fill_in_steps(self, soft: Tensor) -> Iterator[None]:
        """Do the same for more rows than one model step holds; yields after each step."""
        rows = max(1, tokens_a_step(self.model) // max(soft.shape[1], 1))
        parts: list[Past] = []
        for start in range(0, len(soft), rows):
            part = Past(self.model)
            with torch.inference_mode():
                part.fill(soft[start : start + rows])
            parts.append(part)
            yield
        with torch.inference_mode():
            pairs = zip(*(part.states for part in parts), strict=True)
            self.states = [_joined(layer) for layer in pairs]

    def _keep(self, heads: Heads) -> Tensor:
        self.states.append((heads.key, heads.value))
        if heads.layer == self.layers - 1:
            raise LastLayerReached
        return _attended(heads, heads.key, heads.value)

    def read(self, heads: Heads) -> Tensor:
        """Attend to what is kept and to the sequence itself."""
        return _attended(heads, *self._with(heads))

    def read_and_keep(self, heads: Heads) -> Tensor:
        """Do the same and keep the sequence, so that the next goes on from it."""
        states = self._with(heads)
        self.states[heads.layer : heads.layer + 1] = [states]
        return _attended(heads, *states)

    def keep(self, rows: Tensor) -> None:
        """Drop the other rows."""
        if not bool(rows.all()):
            index = rows.nonzero()[:, 0].to(self.model.device)
            self.states = [(keys.index_select(0, index), values.index_select(0, index)) for keys, values in self.states]

    def _with(self, heads: Heads) -> Pair:
        if heads.layer >= len(self.states):
            return heads.key, heads.value
        keys, values = self.states[heads.layer]
        return torch.cat([keys, heads.key], 2), torch.cat([values, heads.value], 2)


def _joined(layer: tuple[Pair, ...]) -> Pair:
    return torch.cat([keys for keys, _ in layer]), torch.cat([values for _, values in layer])


def _attended(heads: Heads, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention of the last queries of a sequence, `[B, T, heads, size]`."""
    queries, length = heads.query.shape[2], keys.shape[2]
    plain = heads.softcap is None and heads.sinks is None and not (heads.window and heads.window < length)
    if plain and queries == length:
        out = functional.scaled_dot_product_attention(
            heads.query,
            keys,
            values,
            is_causal=True,
            scale=heads.scaling,
            enable_gqa=keys.shape[1] != heads.query.shape[1],
        )
        return out.transpose(1, 2)
    return _masked(heads, keys, values)


def _masked(heads: Heads, keys: Tensor, values: Tensor) -> Tensor:
    rows, count, queries, size = heads.query.shape
    groups, length = keys.shape[1], keys.shape[2]
    # Query heads that share a key head become further queries of it: [B, key heads, heads each * T, size].
    query = heads.query.reshape(rows, groups, count // groups * queries, size)
    logits = (query @ keys.mT).mul_(heads.scaling)
    logits = logits.view(rows, groups, count // groups, queries, length)
    if heads.softcap is not None:
        logits = torch.tanh(logits / heads.softcap) * heads.softcap
    distance = torch.arange(length - queries, length, device=keys.device)[:, None] - torch.arange(
        length, device=keys.device
    )
    hidden = distance < 0 if heads.window is None else (distance < 0) | (distance >= heads.window)
    weights = _softmax(logits.masked_fill_(hidden, -torch.inf), heads.sinks)
    out = weights.to(values.dtype).flatten(2, 3) @ values
    return out.view(rows, count, queries, size).transpose(1, 2)


def _softmax(logits: Tensor, sinks: Tensor | None) -> Tensor:
    """Return float32 weights of `[B, key heads, heads each, T, keys]`."""
    if sinks is None:
        return logits.softmax(-1, dtype=torch.float32)
    sink = sinks.view(1, *logits.shape[1:3], 1, 1).expand(*logits.shape[:-1], 1)
    return torch.cat([logits, sink], -1).softmax(-1, dtype=torch.float32)[..., :-1]
