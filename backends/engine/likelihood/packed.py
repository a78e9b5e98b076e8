"""Attention of packed segments: to the shared soft prompt, to kept ancestors and to their own segment, no padding.

The soft prompt's states are multiplied where they are, for all segments at once; only ancestors are gathered. The three
parts share one softmax over their logits laid side by side, some tens of numbers a token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, unflatten

from backends.engine.likelihood.attention import Heads
from backends.engine.likelihood.states import Pair


@dataclass(frozen=True)
class Rows:
    """Segments of one length in a step, on the model's device."""

    start: int
    length: int
    rows: int
    fetch: Tensor
    """[rows * ancestors] places in the kept trunk."""
    depths: Tensor
    """[rows] how many ancestors each has, at most `ancestors`."""
    ancestors: int
    ragged: bool
    """Whether some have fewer ancestors than others."""


class Packed:
    """One step's attention, for `sources` soft prompts whose packed tokens stand one source after the other."""

    def __init__(self, prefix: list[Pair], trunk: list[Pair], rows: list[Rows], sources: int, keep: int) -> None:
        """Take each layer's `[key heads, sources, slots | trunk, size]`; write the step's states at `keep` if >= 0."""
        self.prefix, self.trunk, self.rows, self.sources, self.keep = prefix, trunk, rows, sources, keep
        self._masks: dict[tuple[int, int | None], Tensor | None] = {}

    def attend(self, heads: Heads) -> Tensor:
        """Return `[1, sources * positions, heads, size]`."""
        key, value = (unflatten(states[0], 1, (self.sources, -1)) for states in (heads.key, heads.value))
        query = unflatten(unflatten(heads.query[0], 1, (self.sources, -1)), 0, (len(key), -1))
        if self.keep >= 0:
            here = slice(self.keep, self.keep + key.shape[2])
            self.trunk[heads.layer][0][:, :, here] = key
            self.trunk[heads.layer][1][:, :, here] = value
        groups, each, sources, positions, _ = query.shape
        out = query.new_empty(sources, positions, groups, each, value.shape[-1])
        for index, rows in enumerate(self.rows):
            self._group(heads, index, rows, (query, key, value), out)
        return out.view(1, sources * positions, groups * each, -1)

    def _group(self, heads: Heads, index: int, rows: Rows, states: tuple[Tensor, Tensor, Tensor], out: Tensor) -> None:
        cut, shape = slice(rows.start, rows.start + rows.rows * rows.length), (rows.rows, rows.length)
        query = unflatten(states[0][:, :, :, cut], 3, shape).permute(0, 2, 3, 1, 4, 5)
        groups, sources, count, each, length, size = query.shape
        query = query.reshape(groups, sources, count, each * length, size)
        key, value = (self._with_ancestors(heads.layer, part, rows, states[1 + part][:, :, cut]) for part in (0, 1))
        slots_key, slots_value = self.prefix[heads.layer]
        before = (query.flatten(2, 3) @ slots_key.mT).view(*query.shape[:-1], -1)
        logits = torch.cat([before, query @ key.mT], -1)
        if heads.scaling != 1:
            logits.mul_(heads.scaling)
        weights = self._weights(heads, index, unflatten(logits, 3, (each, length))).to(value.dtype).flatten(3, 4)
        slots = slots_key.shape[2]
        mixed = weights[..., slots:] @ value
        mixed += (weights[..., :slots].flatten(2, 3) @ slots_value).view_as(mixed)
        mixed = unflatten(mixed, 3, (each, length)).permute(1, 2, 4, 0, 3, 5)
        unflatten(out[:, cut], 1, shape).copy_(mixed)

    def _with_ancestors(self, layer: int, part: int, rows: Rows, own: Tensor) -> Tensor:
        """Return `[key heads, sources, rows, ancestors + length, size]`."""
        own = unflatten(own, 2, (rows.rows, rows.length))
        if rows.ancestors == 0:
            return own
        gathered = self.trunk[layer][part].index_select(2, rows.fetch)
        return torch.cat([unflatten(gathered, 2, (rows.rows, rows.ancestors)), own], 3)

    def _weights(self, heads: Heads, index: int, logits: Tensor) -> Tensor:
        """Return float32 weights of logits `[key heads, sources, rows, heads each, length, keys]`."""
        if heads.softcap is not None:
            logits = torch.tanh(logits / heads.softcap) * heads.softcap
        mask = self._mask(index, heads.window)
        if mask is not None:
            logits = logits.masked_fill(mask, -torch.inf)
        if heads.sinks is None:
            return logits.softmax(-1, dtype=torch.float32)
        sinks = heads.sinks.view(logits.shape[0], 1, 1, logits.shape[3], 1, 1).expand(*logits.shape[:-1], 1)
        return torch.cat([logits, sinks], -1).softmax(-1, dtype=torch.float32)[..., :-1]

    def _mask(self, index: int, window: int | None) -> Tensor | None:
        """Return what each token must not see, to broadcast over the logits; None where it may see everything."""
        if (index, window) not in self._masks:
            self._masks[index, window] = self._make_mask(self.rows[index], window)
        return self._masks[index, window]

    def _make_mask(self, rows: Rows, window: int | None) -> Tensor | None:
        slots, device = self.prefix[0][0].shape[2], rows.depths.device
        longest = slots + rows.ancestors + rows.length
        if rows.length == 1 and not rows.ragged and (window is None or window >= longest):
            return None
        own = torch.arange(rows.length, device=device)
        first = slots + rows.depths[:, None] if rows.ragged else rows.depths[:1, None] + slots
        before = torch.arange(slots + rows.ancestors, device=device).expand(len(first), -1)
        keys = torch.cat([before, first + own], 1)[:, None]
        queries = (first + own)[:, :, None]
        hidden = keys > queries
        # Padded ancestors stand where the segment itself does: their place says they are as far as its tokens.
        hidden[:, :, slots : slots + rows.ancestors] = keys[:, :, slots : slots + rows.ancestors] >= first[:, :, None]
        if window is not None:
            hidden |= queries - keys >= window
        return hidden[None, None, :, None]
