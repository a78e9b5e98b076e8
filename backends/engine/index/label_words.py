"""Which tokens every text has: a search learns what each token is worth under its source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Tokens that get a weight of their own in one search, the most frequent ones: what bounds a solution's size.
_MOST = 1024


@dataclass(frozen=True)
class Words:
    """The tokens of all texts, end to end."""

    edges: Tensor
    """[texts + 1] where each text's tokens begin."""
    tokens: Tensor
    """[n] int64."""
    shares: Tensor
    """[n] 1 / number of tokens of the text, float32."""

    def table(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens that two or more of some texts have, and their shares of each text `[rows, tokens]`."""
        counts = (self.edges[1:] - self.edges[:-1])[rows]
        at = torch.repeat_interleave(torch.arange(len(rows)), counts)
        entries = torch.arange(len(at)) + torch.repeat_interleave(self.edges[rows] - counts.cumsum(0) + counts, counts)
        distinct, places, often = torch.unique(self.tokens[entries], return_inverse=True, return_counts=True)
        kept = often.topk(min(_MOST, int((often > 1).sum()))).indices
        column = torch.full((len(distinct),), len(kept))
        column[kept] = torch.arange(len(kept))
        table = torch.zeros(len(rows), len(kept) + 1)
        table.index_put_((at, column[places]), self.shares[entries], accumulate=True)
        return distinct[kept], table[:, :-1]

    def sums(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Return every text's sum of its tokens' weights times their shares, `[texts]`; other tokens weigh nothing."""
        size = int(self.tokens.max()) + 1 if len(self.tokens) else 0
        every = torch.zeros(size).index_put_((tokens,), weights)
        running = (every[self.tokens] * self.shares).double().cumsum(0)
        running = torch.cat([running.new_zeros(1), running])
        return (running[self.edges[1:]] - running[self.edges[:-1]]).float()


def make_words(texts: Tensor, tokens: Tensor, count: int) -> Words:
    """Return the words of `count` texts, from each token's text and the token `[n]`, in any order."""
    order = texts.argsort(stable=True)
    counts = torch.bincount(texts, minlength=count)
    edges = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    shares = torch.repeat_interleave(1 / counts.clamp_min(1), counts)
    return Words(edges, tokens[order].long(), shares)
