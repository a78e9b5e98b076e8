"""A corpus index, opened: positions by number, their activations, and the text around them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.index.corpus_build import CENTRE
from backends.engine.index.corpus_card import CorpusCard, read_card, read_shard_card, shard_folder
from backends.engine.index.corpus_shards import Ints, Shard
from backends.engine.index.corpus_windows import searched
from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.subject import Subject
from investigator.errors import BadInput, WorkbenchError

# Positions whose float32 vectors are in memory at once.
_ROWS = 8192


class CorpusIndex:
    """Searched positions are numbered 0 to `size - 1` in the order of the corpus; contexts likewise."""

    def __init__(self, folder: Path, card: CorpusCard, shards: list[Shard], subject: Subject) -> None:
        self.folder, self.card, self._shards, self.subject = folder, card, shards, subject
        self._centre = _centre(folder, card)
        self._contexts = np.cumsum([0, *(shard.card.contexts for shard in shards)])
        self._positions = np.cumsum([0, *(shard.card.positions for shard in shards)])

    @classmethod
    def open(cls, folder: Path, subject: Subject) -> CorpusIndex:
        """Open a complete index; raise WorkbenchError where it is half-made, cut short or of another subject."""
        card = read_card(folder)
        if card.recipe.subject != subject.fingerprint:
            raise WorkbenchError(
                f"The corpus index {folder} was made with another model than {subject.name} "
                f"(fingerprint {card.recipe.subject[:8]}, not {subject.fingerprint[:8]}).",
                "Make one for this model with `investigator index corpus`.",
            )
        if not card.complete:
            raise WorkbenchError(
                f"The corpus index {folder} is not finished.",
                "Run the same `investigator index corpus` again: it goes on.",
            )
        return cls(folder, card, [_shard(folder, number) for number in range(card.shards)], subject)

    @cached_property
    def places(self) -> Ints:
        """Where, among all positions, each searched one stands."""
        found = [
            self._positions[at] + np.flatnonzero(searched(self.subject, shard.tokens, shard.edges))
            for at, shard in enumerate(self._shards)
        ]
        return np.concatenate(found)

    @property
    def size(self) -> int:
        """Number of searched positions."""
        return len(self.places)

    def layer(self, layer: int) -> int:
        """Return where a layer stands in the index; raise BadInput where it was not captured."""
        if layer not in self.card.recipe.layers:
            held = ", ".join(map(str, self.card.recipe.layers))
            raise BadInput(
                f"The corpus index {self.card.name} holds layer {held}, not layer {layer}.",
                f"Index it again with --layer {layer}, or name a reader of layer {held}.",
            )
        return self.card.recipe.layers.index(layer)

    # Activations

    def residuals(self, layer: int, numbers: NDArray[np.int64]) -> Tensor:
        """Return the activations of some searched positions, float32 `[n, d]`."""
        at = self.layer(layer)
        places = self.places[numbers]
        found = torch.empty(len(places), self.card.recipe.width)
        owner = np.searchsorted(self._positions, places, side="right") - 1
        for number in np.unique(owner):
            rows = np.flatnonzero(owner == number)
            local = places[rows] - self._positions[number]
            found[torch.from_numpy(rows)] = self._restored(self._shards[number], layer, at, local)
        return found

    def _restored(self, shard: Shard, layer: int, at: int, local: Ints) -> Tensor:
        directions = torch.from_numpy(shard.directions(layer)[local].astype(np.float32))
        lengths = torch.from_numpy(np.array(shard.lengths(layer)[local]))
        return self._centre[at] + lengths[:, None] * directions

    def inputs(self, layer: int, mapper: SoftPromptMapper) -> Iterator[tuple[int, Tensor]]:
        """Yield the mapper's inputs at all searched positions, block by block: first number, float32 `[n, d]`."""
        at, first = self.layer(layer), 0
        same = mapper.card.form != "paper" and torch.equal(mapper.mean.cpu(), self._centre[at])
        for number, shard in enumerate(self._shards):
            count = int(np.searchsorted(self.places, self._positions[number + 1])) - first
            own = self.places[first : first + count] - self._positions[number]
            for start in range(0, count, _ROWS):
                local = own[start : start + _ROWS]
                if same:
                    # Stored directions are the input itself.
                    yield first + start, torch.from_numpy(shard.directions(layer)[local].astype(np.float32))
                else:
                    h = self._restored(shard, layer, at, local)
                    yield first + start, mapper.inputs(h.to(mapper.bias.device)).cpu()
            first += count

    # Text

    def place(self, number: int) -> tuple[int, int]:
        """Return the context of a searched position, and its place in it."""
        shard, local = self._local(number)
        context = int(np.searchsorted(self._shards[shard].edges, local, side="right")) - 1
        return int(self._contexts[shard]) + context, local - int(self._shards[shard].edges[context])

    def contexts_of(self, numbers: NDArray[np.int64]) -> Ints:
        """Return the contexts of searched positions."""
        return np.array([self.place(int(number))[0] for number in numbers], dtype=np.int64)

    def _local(self, number: int) -> tuple[int, int]:
        place = int(self.places[number])
        shard = int(np.searchsorted(self._positions, place, side="right")) - 1
        return shard, place - int(self._positions[shard])

    def context(self, number: int) -> tuple[str, tuple[int, ...]]:
        """Return a context's document and token ids."""
        at = int(np.searchsorted(self._contexts, number, side="right")) - 1
        shard, local = self._shards[at], number - int(self._contexts[at])
        ids = shard.tokens[shard.edges[local] : shard.edges[local + 1]]
        return shard.documents[local], tuple(int(id) for id in ids)


def _centre(folder: Path, card: CorpusCard) -> Tensor:
    try:
        found = torch.from_numpy(np.load(folder / CENTRE))
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"{folder / CENTRE} cannot be read: {error}.", "Make the index again with `investigator index corpus`."
        ) from error
    if found.shape != (len(card.recipe.layers), card.recipe.width):
        raise WorkbenchError(f"{folder / CENTRE} does not fit its index.", "Make the index again.")
    return found


def _shard(folder: Path, number: int) -> Shard:
    where = shard_folder(folder, number)
    card = read_shard_card(where)
    if card is None:
        raise WorkbenchError(
            f"The corpus index {folder} lacks its part {number}.", "Run the same `investigator index corpus` again."
        )
    return Shard(where, card)
