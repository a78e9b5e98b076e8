"""What an evaluation of a map compares: the models, their readers, the latents that are tested and those tuned on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from backends.engine.crossmodel import carry, maps
from backends.engine.crossmodel.card import LinearMap
from backends.engine.engine import WorkbenchEngine
from backends.engine.readers.reader import Reader, SoftPromptReader, open_reader, reader_name
from investigator.errors import BadInput
from investigator.sources import Decoder

TESTED, TUNED = 200, 40
"""Latents behind every figure, and others on which the washout weight is chosen."""


@dataclass(frozen=True)
class Setting:
    """A map with a reader on either side, and an SAE of the first model whose directions are carried."""

    engine: WorkbenchEngine
    name: str
    """Of the map."""
    own: Reader
    there: Reader
    sae: str
    tested: tuple[int, ...]
    tuned: tuple[int, ...]
    unseen: int
    """How many of the tested latents have only labels that no reader was trained on."""

    @property
    def map(self) -> LinearMap:
        """The map."""
        return maps.open_map(self.engine, self.name)

    def label(self, latent: int) -> str:
        """Return a latent's first label."""
        return next(iter(self.engine.parts.labels(self.sae).labels_of(latent)), "")

    def directions(self, latents: tuple[int, ...]) -> Tensor:
        """Return decoder rows at their median activations, `[n, source width]`."""
        return torch.stack([carry.direction(self.engine, Decoder(self.sae, latent)) for latent in latents])

    @cached_property
    def means(self) -> tuple[Tensor, Tensor]:
        """Mean activations of both ends."""
        return (
            carry.mean_of(self.engine, self.own.subject.name, self.own.layer, self.map.source_mean),
            carry.mean_of(self.engine, self.there.subject.name, self.there.layer, self.map.target_mean),
        )

    def at_own(self, directions: Tensor) -> Tensor:
        """Return directions as the first model's reader takes them."""
        return _taken(self.own, directions, self.means[0])

    def at_there(self, directions: Tensor) -> Tensor:
        """Return directions as the second model's reader takes them."""
        return _taken(self.there, directions, self.means[1])


def _taken(reader: Reader, directions: Tensor, mean: Tensor) -> Tensor:
    """Put directions on the mean for readers that take it off; others read a direction alone, at the mean's length."""
    if isinstance(reader, SoftPromptReader):
        return mean + directions
    bare: Tensor = directions / directions.norm(dim=-1, keepdim=True).clamp_min(1e-12) * mean.norm()
    return bare


def setting_of(engine: WorkbenchEngine, name: str, *, seed: int, scale: float) -> Setting:
    """Return the setting of a map; raise BadInput where it has no reader on a side or no labelled SAE."""
    card = maps.card_of(engine.parts, name)
    ends = [(maps.end_name(engine.parts, end), end.layer) for end in (card.source, card.target)]
    own, there = (open_reader(engine, reader_name(engine, "", *end)) for end in ends)
    sae = engine.parts.sae_name("", *ends[0])
    tested, tuned, unseen = _chosen(engine, sae, seed, scale)
    return Setting(engine, name, own, there, sae, tested, tuned, unseen)


def first_map(engine: WorkbenchEngine) -> str:
    """Return the workbench's first map; raise BadInput where there is none."""
    if not engine.workbench.maps:
        raise BadInput("The workbench has no map between models.", "Fit one with `investigator train map`.")
    return next(iter(engine.workbench.maps))


def _chosen(engine: WorkbenchEngine, sae: str, seed: int, scale: float) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Draw latents of distinct labels, those first whose labels entered no training; tuned ones are others."""
    labels, wanted = engine.parts.labels(sae), max(4, round(TESTED * scale))
    order = [int(at) for at in np.random.default_rng(seed).permutation(engine.parts.latents(sae))]
    known = {latent: labels.labels_of(latent) for latent in order if labels.labels_of(latent)}
    fresh = [one for one in known if all(labels.split_of(text) != "train" for text in known[one])]
    found: dict[str, int] = {}
    for latent in (*fresh, *known):
        found.setdefault(known[latent][0], latent)
    several = list(found.values())
    if len(several) < 8:
        raise BadInput(f"{sae} has {len(several)} different labels, too few to compare.", "Give an SAE with labels.")
    wanted = min(wanted, 3 * len(several) // 4)
    tested, rest = several[:wanted], several[wanted : wanted + max(4, round(TUNED * scale))]
    return tuple(tested), tuple(rest), sum(latent in set(fresh) for latent in tested)
