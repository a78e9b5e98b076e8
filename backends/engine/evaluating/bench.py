"""The parts that every figure reads, opened once from a workbench's folder."""

from dataclasses import dataclass, field

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
from backends.engine.training.recipe import Recipe, load_recipe
from backends.engine.training.whole_subject import open_subject

PAPER = "l2el-paper"


@dataclass
class TestBench:
    """Subject, labels, and the test documents' activations."""

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

    def mapper(self, name: str) -> SoftPromptMapper:
        """A reader of the workbench, or the blind one."""
        if name not in self.mappers:
            self.mappers[name] = SoftPromptMapper.load(self.folders.readers / name).to(self.device)
        return self.mappers[name]

    def blind(self) -> SoftPromptMapper:
        """The reader that sees nothing."""
        return self.mapper(BLIND)

    @torch.inference_mode()
    def score_pairs(self, name: str, residuals: Tensor, labels: list[int]) -> Tensor:
        """Score label i under activation i with a reader: nats a token, float64 [pairs]."""
        soft = self.mapper(name)(residuals.to(self.device))
        return pair_scores(self.subject, soft, [self.ids[label] for label in labels])


def open_bench(folders: Folders, *, device: str = "cpu") -> TestBench:
    """Open a workbench's folder and run the subject and SAE over its test documents, in float32."""
    recipe = load_recipe(folders.recipe)
    subject = open_subject(folders, recipe.name, device)
    label_set = label_files.read(folders.labels(recipe.sae.layer))
    labels = LabelTexts.load(folders.labels(recipe.sae.layer), recipe.sae.latents)
    ids = [tuple(subject.tokenizer.encode(text, add_special_tokens=False)) for text in labels.texts]
    places = heldout_places(recipe, folders, "test", device=device, dtype="float32")
    return TestBench(folders, recipe, device, subject, label_set, labels, ids, places)
