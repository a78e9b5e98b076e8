"""The parts that every figure reads, opened once from a workbench's folder."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import torch
from torch import Tensor

from backends.engine import labels as label_files
from backends.engine.labels import LabelSet
from backends.engine.likelihood import Ids, pair_scores
from backends.engine.readers.soft_prompt import SoftPromptMapper
from backends.engine.subject import Subject
from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.folders import Folders
from backends.engine.training.label_texts import LabelTexts
from backends.engine.training.mapper_pairs import HeldoutPlaces, heldout_places
from backends.engine.training.opening import Opened
from backends.engine.training.recipe import Recipe
from backends.engine.training.whole_subject import open_subject
from investigator.records import Figure

DEFAULT, PAPER = "l2el", "l2el-paper"


@dataclass
class TestBench:
    """One subject at one layer: labels, and the test documents' activations."""

    folders: Folders
    recipe: Recipe
    device: str
    subject: Subject
    label_set: LabelSet
    labels: LabelTexts
    ids: list[Ids]
    """Token ids of the labels, without the end."""
    places: HeldoutPlaces
    mappers: dict[str, SoftPromptMapper] = field(default_factory=dict)

    @property
    def layer(self) -> int:
        """The layer that is read."""
        return self.recipe.sae.layer

    @property
    def main(self) -> bool:
        """Whether this is the main layer of the first subject, which is measured most closely."""
        return not self.folders.suffix and not self.folders.shared

    def named(self, figure: Figure) -> Figure:
        """The figure with its subject and layer in its name, `NAME@SAE`; as it is at the main layer of the first."""
        if self.main:
            return figure
        name = f"{figure.name}@{self.folders.sae_name(self.layer)}"
        return msgspec.structs.replace(figure, name=name)

    def there(self, name: str) -> bool:
        """Whether a reader was trained at this layer."""
        return self.folders.reader(name).exists()

    def mapper(self, name: str) -> SoftPromptMapper:
        """A reader of the workbench, or the blind one."""
        if name not in self.mappers:
            self.mappers[name] = SoftPromptMapper.load(self.folders.reader(name)).to(self.device)
        return self.mappers[name]

    def blind(self) -> SoftPromptMapper:
        """The reader that sees nothing."""
        return self.mapper(BLIND)

    @torch.inference_mode()
    def score_pairs(self, name: str, residuals: Tensor, labels: list[int]) -> Tensor:
        """Score label i under activation i with a reader: nats a token, float64 [pairs]."""
        soft = self.mapper(name)(residuals.to(self.device))
        return pair_scores(self.subject, soft, [self.ids[label] for label in labels])


def open_benches(opened: list[Opened], *, device: str = "cpu") -> Iterator[TestBench]:
    """Every layer of every subject that has an autoencoder, labels and a default reader, one after the other.

    The subject and the autoencoder are run over the test documents in float32 when a bench is asked for.
    """
    for one in opened:
        if not one.folders.subject.exists():
            continue
        subject = open_subject(one.folders, one.recipe.name, device)
        for layer in one.recipe.layers:
            recipe, folders = one.recipe.at(layer), one.folders.at(layer, one.recipe.sae.layer)
            if folders.sae(layer).exists() and folders.labels(layer).exists() and folders.reader(DEFAULT).exists():
                yield _open(recipe, folders, subject, device)


def _open(recipe: Recipe, folders: Folders, subject: Subject, device: str) -> TestBench:
    label_set = label_files.read(folders.labels(recipe.sae.layer))
    labels = LabelTexts.load(folders.labels(recipe.sae.layer), recipe.sae.latents)
    ids = [tuple(subject.tokenizer.encode(text, add_special_tokens=False)) for text in labels.texts]
    places = heldout_places(recipe, folders, "test", device=device, dtype="float32")
    return TestBench(folders, recipe, device, subject, label_set, labels, ids, places)
