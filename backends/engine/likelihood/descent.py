"""Nodes of a trie computed on demand under one source, with the states of the line of waves that led to them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backends.engine.likelihood.bounds import Floats
from backends.engine.likelihood.early import Early
from backends.engine.likelihood.fused import reordered, run_body
from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.packed import Packed, Rows
from backends.engine.likelihood.plan import TRUNK, Plan
from backends.engine.likelihood.states import PrefixStates
from backends.engine.likelihood.trie import Ints
from investigator.errors import ScoreError


class Descent:
    """The sums of log-probabilities known so far, and key/value states on a stack of waves."""

    def __init__(self, model: LanguageModel, states: PrefixStates, plan: Plan) -> None:
        self.model, self.states, self.trie, self.lengths = model, states, plan.trie, plan.lengths
        self.prefix = [
            (reordered(model, keys).transpose(0, 1), values.transpose(0, 1)) for keys, values in states.layers
        ]
        self.room = TRUNK
        self.kept = [(self._empty(keys), self._empty(values)) for keys, values in self.prefix]
        self.sums = np.full(plan.trie.size, np.nan)
        self.places = np.zeros(plan.trie.size, dtype=np.int64)
        self.visited = 0
        self.early: Early | None = None
        """What bounds log-probabilities from above, where sums need not be exact."""

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_empty(len(like), 1, self.room, like.shape[-1])

    def roots(self) -> Ints:
        """Return the texts' first tokens, their values read off the soft prompt's last slot."""
        nodes = np.flatnonzero(self.trie.parents < 0)
        with torch.inference_mode():
            self.sums[nodes] = self._read(
                self.states.last, np.zeros(len(nodes), dtype=np.int64), self.trie.tokens[nodes]
            )
        return nodes

    def wide(self, nodes: Ints, top: int, step: int) -> int:
        """Return how many of some nodes the next wave may hold, so that what follows it finds room as well.

        As many as find room with all that stands below them, so that no later wave is cut; where these would not fill
        a step of the model, a third of the room.
        """
        fitting = int(np.searchsorted(np.cumsum(self.trie.sizes[nodes]), self.room - top, side="right"))
        return fitting if fitting >= min(step, len(nodes)) else max((self.room - top) // 3, 64)

    def compute(self, nodes: Ints, top: int) -> tuple[Ints, Ints, Floats]:
        """Compute nodes of one depth, whose ancestors stand in the stack below `top`; their states go onto it.

        Returns their children, whose sums are then known, and the texts that end at them with their scores; upper
        bounds of these where `early` is set. Raises ScoreError where a value is not a number.
        """
        self._reserve(top + len(nodes))
        self.places[nodes] = np.arange(top, top + len(nodes))
        with torch.inference_mode():
            hidden = self._forward(nodes, top)
            born, children = self.trie.children.of(nodes)
            ended, texts = self.trie.endings.of(nodes)
            tokens = np.concatenate([self.trie.tokens[children], np.full(len(texts), self.model.eos_id)])
            values = self._read(hidden, np.concatenate([born, ended]), tokens)
        self.visited += len(nodes)
        self.sums[children] = self.sums[nodes[born]] + values[: len(born)]
        return children, texts, (self.sums[nodes[ended]] + values[len(born) :]) / self.lengths[texts]

    def _forward(self, nodes: Ints, top: int) -> Tensor:
        depth = int(self.trie.depths[nodes[0]])
        fetch = self.places[self.trie.paths[self.trie.born[nodes], :depth]]
        device, count = self.model.device, len(nodes)
        depths = torch.full((count,), depth, device=device)
        rows = Rows(0, 1, count, torch.from_numpy(fetch.reshape(-1)).to(device), depths, depth, ragged=False)
        packed = Packed(self.prefix, self.kept, [rows], 1, top)
        tokens = torch.from_numpy(self.trie.tokens[nodes])[None].to(device)
        return run_body(self.model, packed.attend, (self.states.slots + depths)[None], ids=tokens)[0]

    def _read(self, hidden: Tensor, at: Ints, tokens: Ints) -> Floats:
        """Return log p(tokens[i] | position at[i])."""
        order = np.argsort(at, kind="stable")
        device = self.model.device
        places, wanted = (torch.from_numpy(array[order]).to(device) for array in (at, tokens))
        values = np.empty(len(at))
        if self.early is None:
            values[order] = log_probs(self.model, hidden, places, wanted).cpu().numpy()
        else:
            values[order] = self.early.log_probs(hidden, places, wanted).cpu().numpy()
        if np.isnan(values).any():
            raise ScoreError(
                "A likelihood is not a number, so no order can be proven.", "Open the model with dtype float32."
            )
        return values

    def _reserve(self, room: int) -> None:
        """Make the stack so large at least; only texts much longer than labels need more than it begins with."""
        if room <= self.room:
            return
        before, self.room = self.room, max(room, 2 * self.room)
        for layer, pair in enumerate(self.kept):
            grown = (self._empty(pair[0]), self._empty(pair[1]))
            for new, old in zip(grown, pair, strict=True):
                new[:, :, :before] = old
            self.kept[layer] = grown
