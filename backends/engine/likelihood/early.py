"""Upper bounds of log-probabilities from a part of the vocabulary: log p <= logit - log-sum-exp over some tokens.

A few tokens that are likely after most beginnings hold nearly all of the mass (on pocket, 1,024 of 8,192 miss 0.14 to
0.24 nats), and cost an eighth of the head, which is a third of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backends.engine.likelihood.head import chunk_rows, normalisers
from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.products import linear
from backends.engine.likelihood.states import PrefixStates, make_cache
from backends.engine.likelihood.trie import Trie

TOKENS = 1024
"""Tokens in the part; a vocabulary of less than four times as many is taken whole."""
_ROWS = 32
# How far logits read off the output matrix may be from the head's: a family whose head does more has no bounds.
_AGREE = 1e-3


@dataclass(frozen=True)
class Early:
    """Some tokens, and the output matrix as far as it is needed."""

    every: Tensor
    """[vocabulary, d] the output matrix."""
    some: Tensor
    """[tokens, d] the part's rows of it."""
    inside: Tensor
    """[vocabulary] whether a token is in the part."""
    rows: int
    """Positions whose logits are made at once."""

    def log_probs(self, hidden: Tensor, at: Tensor, tokens: Tensor) -> Tensor:
        """Return upper bounds of log p(tokens[i] | position at[i]), float64 `[n]`, of `hidden` `[positions, d]`."""
        parts = torch.split(hidden, self.rows)
        part = torch.cat([normalisers(linear(some, self.some).float()) for some in parts])[at]
        logits = (hidden[at] * self.every[tokens]).sum(-1).float()
        whole = torch.where(self.inside[tokens], part, torch.logaddexp(part, logits))
        return (logits - whole).clamp_max(0.0).double()


def make_early(model: LanguageModel, states: PrefixStates, trie: Trie) -> Early | None:
    """Choose the tokens by one step over a few paths of a trie under `[1]` source; None where bounds would not help."""
    output = model.model.get_output_embeddings()
    if not _plain(model, output) or len(output.weight) < 4 * TOKENS or not trie.size:
        return None
    with torch.inference_mode():
        hidden = _probed(model, states, trie)
        logits = model.head(hidden).float()
        own = (hidden @ output.weight.T).float()
        if logits.shape != own.shape or float((logits - own).abs().max()) > _AGREE:
            return None
        chosen = logits.softmax(-1).mean(0).topk(TOKENS).indices
        inside = torch.zeros(len(own[0]), dtype=torch.bool, device=own.device)
        inside[chosen] = True
        rows = chunk_rows(model) * len(inside) // TOKENS
        return Early(output.weight, output.weight[chosen].contiguous(), inside, rows)


def _plain(model: LanguageModel, output: Any) -> bool:
    """Return whether an output layer is a matrix alone, in the model's own type."""
    weight = getattr(output, "weight", None)
    if weight is None or getattr(output, "bias", None) is not None:
        return False
    return bool(weight.dim() == 2 and weight.dtype == model.dtype)


def _probed(model: LanguageModel, states: PrefixStates, trie: Trie) -> Tensor:
    """Return final hidden states `[n, d]` along some paths of the trie, evenly drawn."""
    paths = torch.from_numpy(trie.paths[:: max(1, len(trie.paths) // _ROWS)])
    inside = paths < trie.size
    tokens = torch.from_numpy(trie.tokens)[paths.clamp_max(trie.size - 1)].to(model.device)
    positions = torch.arange(states.slots, states.slots + tokens.shape[1], device=model.device)
    past = [tuple(part.expand(len(paths), -1, -1, -1) for part in pair) for pair in states.layers]
    hidden, _ = model.body(
        input_ids=tokens,
        position_ids=positions.expand(len(paths), -1),
        past_key_values=make_cache([(keys, values) for keys, values in past]),
        use_cache=True,
    )
    return torch.cat([states.last, hidden[inside.to(model.device)]])
