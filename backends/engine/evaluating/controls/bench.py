"""What the groups of figures share: the open engine, the reader, its labels, and places of held-out documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends.engine.controls.artefacts import Artefacts, artefacts_of
from backends.engine.controls.panels import Panels, panels_of
from backends.engine.engine import WorkbenchEngine
from backends.engine.likelihood import Ids
from backends.engine.readers.label_means import LabelMeans, label_means
from backends.engine.readers.prepared import Prepared, prepared_labels
from backends.engine.readers.reader import Reader, open_reader, reader_name
from backends.engine.training.folders import Folders
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.mapper_pairs import HeldoutPlaces, heldout_places
from backends.engine.training.recipe import Recipe, load_recipe
from investigator import settings
from investigator.errors import WorkbenchError

FIRST_POSITION = 8
"""Earlier positions of a text are left out, as they are of the background."""
BUILD = "built by `investigator index controls`"
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Options:
    """How much is measured, and with which draws."""

    seed: int = 1
    scale: float = 1.0
    """Multiplies every default count."""

    def count(self, default: int, least: int = 2) -> int:
        """Return a default count, scaled."""
        return max(least, round(default * self.scale))


class ControlBench:
    """An open workbench of the kind that `train pocket` makes, and its default reader."""

    def __init__(self, workbench: Path, options: Options, *, device: str = "cpu") -> None:
        """Load the workbench in float32, in which shown scores are computed; raise WorkbenchError where it is none."""
        own = settings.load()
        backend = msgspec.structs.replace(own.backend, device=device, dtype="float32")
        self.engine = WorkbenchEngine(workbench, msgspec.structs.replace(own, backend=backend))
        self.engine.load()
        self.options, self.device = options, device
        self.folders = Folders(self.engine.folder)
        subject = self.engine.parts.subject_name()
        name = reader_name(self.engine, "", subject, self.engine.parts.default_layer(subject))
        self.reader: Reader = open_reader(self.engine, name)
        if not self.reader.sae:
            raise WorkbenchError(f"The reader {name} names no SAE.", f"Give [readers.{name}] the SAE of its labels.")
        self.prepared: Prepared = prepared_labels(self.engine, self.reader)
        found = panels_of(self.engine, self.reader)
        if found is None:
            raise WorkbenchError(
                "The workbench has no layer statistics.", "Measure them: `investigator train statistics`."
            )
        self.panels: Panels = found

    def random(self, *stream: int) -> np.random.Generator:
        """Return the draws of one part of one figure, which depend on nothing else."""
        return np.random.default_rng([self.options.seed, *stream])

    @property
    def artefacts(self) -> Artefacts | None:
        """The reader's thresholds, decoys and self-scores, where they are built."""
        return artefacts_of(self.engine, self.reader)

    # Labels

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that made the workbench."""
        return load_recipe(self.folders.recipe)

    @cached_property
    def labels(self) -> LabelTexts:
        """The distinct labels in the engine's order, with latents and splits."""
        file = self.engine.parts.path(self.engine.workbench.saes[self.reader.sae].labels)
        found = LabelTexts.load(file, self.engine.parts.latents(self.reader.sae))
        if tuple(found.texts) != self.prepared.texts:
            raise WorkbenchError(f"{file} holds empty labels.", "Leave their rows out: figures count every row.")
        return found

    @cached_property
    def ids(self) -> list[Ids]:
        """Token ids of every label; empty for one that cannot be scored."""
        found: list[Ids] = [()] * len(self.prepared.texts)
        for index, ids in zip(self.prepared.valid.tolist(), self.prepared.ids, strict=True):
            found[index] = ids
        return found

    @cached_property
    def scorable(self) -> Ints:
        """The labels that can be scored."""
        return np.sort(self.prepared.valid.numpy())

    @cached_property
    def means(self) -> LabelMeans:
        """Every label's scores at the first background positions, measured where they did not ship."""
        found = label_means(self.engine, self.reader)
        assert found is not None
        if found.scores is None:
            found.means = None
            for _ in found.fill():
                pass
        return found

    # Places

    @cached_property
    def test(self) -> HeldoutPlaces:
        """All text positions of the test documents."""
        return heldout_places(self.recipe, self.folders, "test", device=self.device)

    @cached_property
    def tune(self) -> HeldoutPlaces:
        """All text positions of the tune documents: what a stored activation or a token's labels are taken from."""
        return heldout_places(self.recipe, self.folders, "tune", device=self.device)

    def one_a_document(self, usable: NDArray[np.bool_], *stream: int) -> Ints:
        """Return one usable test place a document past its first positions, in an order drawn at random."""
        draw = self.random(*stream)
        usable = usable & (self.test.positions >= FIRST_POSITION)
        chosen = [draw.choice(np.flatnonzero(usable & (self.test.documents == document)))
                  for document in np.unique(self.test.documents[usable])]  # fmt: skip
        return draw.permutation(np.array(chosen, dtype=np.int64))

    def active(self, place: int) -> NDArray[np.bool_]:
        """Return which labels a latent that is active at a test place carries, [labels]."""
        return carried(self.labels, self.test.latents[place], self.test.activations[place]) > 0

    def context(self, place: int) -> tuple[int, ...]:
        """Return the token ids up to and including a test place, `<|bos|>` first."""
        ids = self.test.tokens[self.test.documents[place], : int(self.test.positions[place]) + 1]
        return tuple(int(token) for token in ids)

    def vectors(self, places: Sequence[int] | Ints) -> Tensor:
        """Return the activations of test places, float32 [places, d]."""
        return self.test.residuals[torch.as_tensor(np.asarray(places))].float()


def carried(labels: LabelTexts, latents: NDArray[np.uint16], activations: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the largest activation of the latents that carry each label, 0 where none is active, [labels]."""
    found = np.zeros(len(labels.texts))
    which = labels.of_latent[latents]
    known = (activations > 0) & (which >= 0)
    np.maximum.at(found, which[known], activations[known])
    return found
