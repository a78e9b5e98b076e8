"""A reader's controls as panels: the same places for every text, each scored once and kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from backends.engine.controls import vectors
from backends.engine.controls.statistics import Floats
from backends.engine.likelihood import PrefixStates
from backends.engine.likelihood.states import one_prefix
from backends.engine.readers.backgrounds import Background, Panel, background_of
from backends.engine.readers.reader import Reader
from investigator.sources import Residual

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# A reader that looks at distances has one panel of random vectors a source; so many sources' panels are kept.
_MOST_DISTANCES = 8
_MOST_PROMPTS = 4
OTHERS = 64
"""Other tokens of a prompt that are scored, evenly chosen."""


@dataclass(frozen=True)
class OtherTokens:
    """A prompt's tokens as a panel, and which of them the source does not hold."""

    panel: Background
    positions: tuple[int, ...]
    """The position of each place of the panel."""
    own: range
    """The source's own positions."""

    def without_own(self, values: Floats | None) -> Floats | None:
        """Return the scores at the tokens that are not the source's own."""
        others = [place for place, position in enumerate(self.positions) if position not in self.own]
        return None if values is None else values[others]


class Panels:
    """The controls of one reader that are the same for every text and prompt."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, background: Background) -> None:
        self.engine, self.reader, self.background = engine, reader, background
        self.covariance = Background(reader, vectors.of_covariance(engine, reader))
        self.mean = Panel(reader.speaker, [range(1)], self._mean, keeps=True)
        self._norm: dict[float, Background] = {}
        self._prompts: OrderedDict[tuple[int, ...], tuple[Background, tuple[int, ...]]] = OrderedDict()

    def norm(self, vector: torch.Tensor) -> Background:
        """Return the random vectors as far from the layer's mean as `vector` `[d]`."""
        distance = vectors.distance_of(self.engine, self.reader, vector)
        if distance not in self._norm:
            while len(self._norm) >= _MOST_DISTANCES:
                del self._norm[next(iter(self._norm))]
            self._norm[distance] = Background(self.reader, vectors.of_norm(self.engine, self.reader, distance))
        return self._norm[distance]

    def others(self, source: Residual) -> OtherTokens:
        """Return the prompt's tokens, special ones left out; a few prompts' are kept, so that a cursor may move."""
        ids = source.token_ids
        if ids not in self._prompts:
            self._prompts[ids] = self._tokens(ids)
            while len(self._prompts) > _MOST_PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(ids)
        end = source.end if source.end is not None else source.position + 1
        return OtherTokens(*self._prompts[ids], range(source.position, end))

    def _tokens(self, ids: tuple[int, ...]) -> tuple[Background, tuple[int, ...]]:
        subject = self.reader.subject
        plain = [place for place, token in enumerate(ids) if token not in subject.special_ids]
        if len(plain) > OTHERS:
            plain = [plain[i] for i in np.linspace(0, len(plain) - 1, OTHERS).round().astype(int)]
        residuals = self.engine.captures.get(subject, ids).residuals[self.reader.layer][plain]
        return Background(self.reader, residuals), tuple(plain)

    def _mean(self, _: range) -> PrefixStates:
        """Return the states at the mean input."""
        soft = self.reader.at_mean(vectors.layer_mean(self.engine, self.reader), self.background.vectors)
        return one_prefix(self.reader.speaker, soft)


def panels_of(engine: WorkbenchEngine, reader: Reader) -> Panels | None:
    """Return a reader's controls, made once; None where the workbench has no layer statistics."""
    background = background_of(engine, reader)
    if background is None:
        return None
    return engine.parts.once("controls", reader.name, lambda: Panels(engine, reader, background))
