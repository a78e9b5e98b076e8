"""One walk of a plan: the running values of a few sources, and the trunk's key/value states."""

from __future__ import annotations

import torch
from torch import Tensor

from backends.engine.likelihood.fused import reordered, run_body
from backends.engine.likelihood.head import log_probs
from backends.engine.likelihood.memory import halving
from backends.engine.likelihood.model import LanguageModel
from backends.engine.likelihood.packed import Packed, Rows
from backends.engine.likelihood.plan import END, Group, Plan, Step
from backends.engine.likelihood.states import PrefixStates
from backends.engine.likelihood.trie import Ints


class Walk:
    """What a walk of one plan under `[sources]` soft prompts has found so far."""

    def __init__(self, model: LanguageModel, states: PrefixStates, plan: Plan) -> None:
        self.model, self.plan, self.slots = model, plan, states.slots
        self.sources = states.sources
        self.last = states.last
        self.prefix = [
            (reordered(model, keys).transpose(0, 1), values.transpose(0, 1)) for keys, values in states.layers
        ]
        self.trunk = [(self._room(keys), self._room(values)) for keys, values in self.prefix] if plan.trunk else []
        # By node, then one column that pads paths and stays 0, then by text the value of its end.
        self.values = torch.zeros(
            self.sources, plan.trie.size + 1 + plan.texts, dtype=torch.float64, device=model.device
        )
        self.note = ""

    def _room(self, like: Tensor) -> Tensor:
        return like.new_empty(len(like), self.sources, self.plan.trunk, like.shape[-1])

    def _tensor(self, array: Ints) -> Tensor:
        return torch.from_numpy(array).to(self.model.device, non_blocking=True)

    def first(self) -> None:
        """Read the values of first tokens off the soft prompts' last slot."""
        nodes = self.plan.first_tokens
        tokens = self._tensor(self.plan.trie.tokens[nodes])
        at = torch.arange(self.sources, device=self.model.device).repeat_interleave(len(nodes))
        values = log_probs(self.model, self.last, at, tokens.repeat(self.sources))
        self.values[:, self._tensor(nodes)] = values.view(self.sources, -1)

    def step(self, step: Step) -> None:
        """Compute one step's nodes for every source, in halves where memory does not allow it at once."""
        self.note = halving(self._forward, step) or self.note

    def _forward(self, step: Step) -> None:
        keep = step.keep if self.trunk else -1
        packed = Packed(self.prefix, self.trunk, [self._rows(group) for group in step.groups], self.sources, keep)
        positions = (self.slots + self._tensor(step.depths)).repeat(self.sources)[None]
        tokens = self._tensor(step.tokens).repeat(self.sources)[None]
        hidden = run_body(self.model, packed.attend, positions, ids=tokens)
        self._read(step, hidden[0])

    def _rows(self, group: Group) -> Rows:
        return Rows(
            group.start,
            group.length,
            group.rows,
            self._tensor(group.fetch.reshape(-1)),
            self._tensor(group.depths),
            group.fetch.shape[1],
            bool((group.depths < group.fetch.shape[1]).any()),
        )

    def _read(self, step: Step, hidden: Tensor) -> None:
        """Read children's and ends' values off the step's logits."""
        at, tokens, targets = self._tensor(step.reads)
        tokens = torch.where(tokens == END, self.model.eos_id, tokens)
        offsets = step.size * torch.arange(self.sources, device=at.device)[:, None]
        values = log_probs(self.model, hidden, (at + offsets).reshape(-1), tokens.repeat(self.sources))
        self.values[:, targets] = values.view(self.sources, -1)

    def scores(self, texts: Tensor) -> Tensor:
        """Return the scores of completed texts, `[sources, k]` on the CPU; NaN where a value is not finite."""
        trie = self.plan.trie
        columns = torch.cat([torch.from_numpy(trie.paths)[texts], trie.size + 1 + texts[:, None]], 1)
        sums = self.values[:, columns.to(self.model.device)].sum(-1).cpu()
        scores = sums / torch.from_numpy(self.plan.lengths)[texts]
        return scores.where(scores.isfinite(), torch.nan)
