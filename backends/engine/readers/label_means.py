"""What every label of a set scores at ordinary places: shipped with a reader, or measured once and cached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from backends.engine import files
from backends.engine.readers.backgrounds import PART
from backends.engine.readers.prepared import Prepared, prepared_labels, score_prepared
from backends.engine.readers.reader import Reader
from investigator import paths
from investigator.errors import WorkbenchError

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

TENSORS = "label_means.safetensors"
CARD = "label_means.json"


class LabelMeans:
    """Scores of a label set at `n` background positions of a reader's layer, or their means alone."""

    def __init__(self, reader: Reader, prepared: Prepared, vectors: Tensor) -> None:
        """Start empty; `vectors` are the background positions `[n, d]`."""
        self.reader = reader
        self.prepared = prepared
        self.vectors = vectors
        self._done = 0
        self._table: Tensor | None = None
        self.means: Tensor | None = None
        """[labels] float64, NaN where a label cannot be scored; None before they are known."""
        self.scores: Tensor | None = None
        """[labels, n] float32; None where only means were shipped."""

    @property
    def positions(self) -> int:
        """Number of background positions."""
        return len(self.vectors)

    def fill(self) -> Iterator[int | None]:
        """Measure what is missing: yields the number of finished positions, and None at each model step.

        What a stopped question left is continued by the next, position by position.
        """
        if self._table is None:
            self._table = torch.full((self.positions, len(self.prepared.texts)), torch.nan, dtype=torch.float64)
        while self.means is None:
            position = self._done
            for done in score_prepared(
                self.reader.speaker, self.reader.soft(self.vectors[position, None]), self.prepared
            ):
                self._table[position, done.texts] = done.scores[0]
                yield None
            self._done = max(self._done, position + 1)
            if self._done == self.positions:
                self.scores, self.means = self._table.T.float().contiguous(), self._table.mean(0)
            yield self._done

    def save(self, folder: Path, fingerprint: str) -> None:
        """Write the means, and the scores behind them, for the label list of this fingerprint."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"means": self._known(self.means).float(), "scores": self._known(self.scores)}
        save_file(tensors, folder / TENSORS)
        card = {"labels": fingerprint, "reader": self.reader.fingerprint, "positions": self.positions}
        (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")

    def read(self, folder: Path, fingerprint: str) -> bool:
        """Take what a folder holds for this label list and reader; return False where it holds nothing that fits."""
        if not (folder / CARD).is_file() or not (folder / TENSORS).is_file():
            return False
        card, found = files.read_json(folder / CARD), files.tensors(folder / TENSORS)
        means, scores = found.get("means"), found.get("scores")
        known = card.get("labels") == fingerprint and card.get("reader", "") in ("", self.reader.fingerprint)
        if not known or means is None or means.shape != (len(self.prepared.texts),):
            return False
        self.means = means.double()
        self.scores = scores if scores is not None and scores.shape == (len(means), self.positions) else None
        return True

    @staticmethod
    def _known(tensor: Tensor | None) -> Tensor:
        if tensor is None:
            raise WorkbenchError("The labels' background is not measured yet.", "Measure it before saving it.")
        return tensor


def label_means(engine: WorkbenchEngine, reader: Reader) -> LabelMeans | None:
    """Return the background of the reader's label set, shipped, cached or still empty; None without statistics."""
    if not engine.workbench.subjects[reader.subject.name].statistics:
        return None
    return engine.parts.once("means", reader.name, lambda: _find(engine, reader))


def _find(engine: WorkbenchEngine, reader: Reader) -> LabelMeans:
    vectors = engine.parts.layer_statistics(reader.subject.name).background[reader.layer, :PART]
    means = LabelMeans(reader, prepared_labels(engine, reader), vectors)
    fingerprint = engine.parts.labels(reader.sae).list_fingerprint
    if not means.read(reader.folder, fingerprint):
        means.read(cached(engine, reader), fingerprint)
    return means


def cached(engine: WorkbenchEngine, reader: Reader) -> Path:
    """Return the cache folder of a label set's background."""
    statistics = engine.parts.layer_statistics(reader.subject.name).fingerprint
    labels = engine.parts.labels(reader.sae).list_fingerprint
    return paths.cache_folder() / "label_means" / f"{reader.fingerprint}-{labels}-{statistics}"


def keep(engine: WorkbenchEngine, reader: Reader, means: LabelMeans) -> None:
    """Write measured means into the cache; a cache that cannot be written only costs the next start the time."""
    try:
        means.save(cached(engine, reader), engine.parts.labels(reader.sae).list_fingerprint)
    except OSError:
        return
