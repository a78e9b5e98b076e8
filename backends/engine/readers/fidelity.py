"""Fidelity: how much of an activation comes back from a text alone, beside what other texts bring back.

`fve_kitft_rawvar` = 1 - 2 (1 - cos) / B with B = 1 - |mean unit vector|^2, the variance of the layer's directions
(formats.md, sections 1.7 and 5.4); B is recomputed from the layer's own background, since no release stores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backends.engine.readers.reader import Reader
from backends.engine.readers.reconstructor import Reconstructor, reconstructor_of
from investigator.errors import ScoreError
from investigator.records import Fidelity, FidelityControl

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

_RANDOM = 16
"""Random texts behind their control."""
_SEED = 20_260
MEAN, RANDOM, SHUFFLED = "mean vector", "random text", "shuffled words"


def cosines(left: Tensor, right: Tensor) -> Tensor:
    """Return cosines of vectors `[.., d]`, float64; 0 where one has no length."""
    found: Tensor = torch.nn.functional.cosine_similarity(left.double(), right.double(), dim=-1, eps=1e-12)
    return found


def variance_of(vectors: Tensor) -> float:
    """Return B of vectors `[n, d]`: 1 - |mean unit vector|^2."""
    unit = torch.nn.functional.normalize(vectors.double(), dim=-1)
    return float(1 - unit.mean(0).square().sum())


def fve(cosine: float, variance: float | None) -> float | None:
    """Return `fve_kitft_rawvar`; None where the variance is not known."""
    return None if not variance else 1 - 2 * (1 - cosine) / variance


class Meter:
    """Measures texts of one reader against one activation after another."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, reconstructor: Reconstructor) -> None:
        self.reconstructor = reconstructor
        self.variance: float | None = None
        self.baseline = "the workbench has no layer statistics, so no variance is known"
        self._mean: Tensor | None = None
        if engine.workbench.subjects[reader.subject.name].statistics:
            statistics = engine.parts.layer_statistics(reader.subject.name)
            background = statistics.background[reader.layer]
            self.variance, self._mean = variance_of(background), statistics.mean[reader.layer]
            self.baseline = f"directions of {len(background)} background activations of layer {reader.layer}"
        self._texts = random_texts(engine, reader)
        self._random: Tensor | None = None

    def measure(self, texts: Sequence[str], vector: Tensor) -> Iterator[dict[str, Fidelity] | None]:
        """Yield None after each model step, then every text's fidelity to an activation `[d]`."""
        if self._random is None:
            kept: list[Tensor | None] = []
            yield from _steps(self.reconstructor, self._texts, kept)
            known = [each for each in kept if each is not None]
            self._random = torch.stack(known) if known else torch.zeros(0, len(vector))
        shuffled = {text: shuffle(text, _SEED) for text in texts}
        asked = list(dict.fromkeys([*texts, *shuffled.values()]))
        found: list[Tensor | None] = []
        yield from _steps(self.reconstructor, asked, found)
        by_text = dict(zip(asked, found, strict=True))
        yield {text: self._fidelity(by_text[text], by_text[shuffled[text]], text, vector) for text in texts}

    def _fidelity(self, here: Tensor | None, mixed: Tensor | None, text: str, vector: Tensor) -> Fidelity:
        if here is None:
            return Fidelity(error=_refusal(self.reconstructor, text))
        cosine = float(cosines(here, vector))
        controls = [self._control(RANDOM, cosines(self._random_vectors, vector))] if len(self._random_vectors) else []
        if self._mean is not None:
            controls.insert(0, self._control(MEAN, cosines(self._mean, vector)[None]))
        if mixed is not None and len(text.split()) > 1:
            controls.append(self._control(SHUFFLED, cosines(mixed, vector)[None]))
        if not np.isfinite(cosine) or not all(np.isfinite(control.cosine) for control in controls):
            return Fidelity(error="The reconstruction holds NaN or infinity, so there is no fidelity.")
        return Fidelity(fve(cosine, self.variance), cosine, tuple(controls), self.variance, self.baseline)

    @property
    def _random_vectors(self) -> Tensor:
        assert self._random is not None
        return self._random

    def _control(self, name: str, values: Tensor) -> FidelityControl:
        cosine = float(values.mean())
        return FidelityControl(name, cosine, fve(cosine, self.variance), len(values))


def _refusal(reconstructor: Reconstructor, text: str) -> str:
    try:
        reconstructor.prompt(text)
    except ScoreError as error:
        return str(error)
    return "The text could not be reconstructed from."


def _steps(reconstructor: Reconstructor, texts: Sequence[str], found: list[Tensor | None]) -> Iterator[None]:
    """Fill a list with what comes back from each text, None for one that does not fit; yields after each step."""
    found[:] = [None] * len(texts)
    fitting = [place for place, text in enumerate(texts) if _fits(reconstructor, text)]
    for indices, vectors in reconstructor.reconstruct([texts[place] for place in fitting]):
        for index, vector in zip(indices, vectors, strict=True):
            found[fitting[index]] = vector
        yield None


def _fits(reconstructor: Reconstructor, text: str) -> bool:
    try:
        reconstructor.prompt(text)
    except ScoreError:
        return False
    return True


def shuffle(text: str, seed: int) -> str:
    """Return the same words in another order, where there is one."""
    words = text.split()
    draw = np.random.default_rng([seed, len(words)])
    for _ in range(8):
        mixed = [words[i] for i in draw.permutation(len(words))]
        if mixed != words:
            break
    return " ".join(mixed) if words else text


def random_texts(engine: WorkbenchEngine, reader: Reader) -> list[str]:
    """Return texts that say something of other activations: labels of the reader's SAE, else words at random."""
    draw = np.random.default_rng([_SEED, 5])
    labels = list(engine.parts.labels(reader.sae).texts) if reader.sae else []
    if len(labels) >= _RANDOM:
        return [labels[i] for i in draw.permutation(len(labels))[:_RANDOM]]
    tokens = draw.integers(0, reader.subject.vocabulary, size=(_RANDOM, 8)).tolist()
    return [reader.subject.decode(ids).strip() or "something else" for ids in tokens]


def meter_of(engine: WorkbenchEngine, reader: Reader) -> Meter | None:
    """Return a reader's meter, made once; None where it has no reconstructor."""
    reconstructor = reconstructor_of(engine, reader.name)
    if reconstructor is None:
        return None
    return engine.parts.once("fidelity", reader.name, lambda: Meter(engine, reader, reconstructor))
