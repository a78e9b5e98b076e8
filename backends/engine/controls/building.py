"""Building a reader's artefacts: thresholds, decoy rankings and self-scores, in parts that survive a kill."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backends.engine.controls import artefacts, true_labels
from backends.engine.controls.artefacts import Artefacts, ControlsCard, Ranking
from backends.engine.controls.levels import choose_level
from backends.engine.controls.parts import Parts
from backends.engine.controls.rankings import counts_at, edges_over
from backends.engine.controls.self_scores import self_score, usual_procedure
from backends.engine.controls.statistics import Floats
from backends.engine.controls.vectors import COVARIANCE, SEED, of_covariance
from backends.engine.provenance import libraries, machine
from backends.engine.readers import label_means
from backends.engine.readers.prepared import prepared_labels, score_prepared
from backends.engine.readers.reader import Reader
from investigator.errors import WorkbenchError
from investigator.wire import Progress

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

# Decoys in one part: what a kill loses, and what one batch shares.
_DECOYS = 8
Making = Generator[Progress | None, None, Floats]


class Building:
    """Builds one reader's artefacts; `run` yields progress, and None at each model step."""

    def __init__(self, engine: WorkbenchEngine, reader: Reader, *, vectors: int = COVARIANCE) -> None:
        """Raise WorkbenchError where the workbench lacks what the controls are measured on."""
        self.engine, self.reader = engine, reader
        means = label_means.label_means(engine, reader) if reader.sae else None
        if means is None or not len(means.prepared.valid):
            raise WorkbenchError(
                f"The controls of {reader.name} need layer statistics and a label set, and the workbench lacks one.",
                f"Name `statistics` of the subject, and `sae` in [readers.{reader.name}] with labels.",
            )
        self.means = means
        self.vectors = of_covariance(engine, reader, vectors)
        self.procedure = usual_procedure(reader, vectors)
        self.parts = Parts(artefacts.cached(engine, reader).with_suffix(".parts"))
        self._done, self._total = 0, 3 + 2 * vectors

    def run(self, folder: Path) -> Generator[Progress | None, None, Artefacts]:
        """Make every part that is not there, put them together, and write them into a folder; returns the whole."""
        yield from self._background()
        places = (yield from self._part("true", self._true_labels(), "true labels")).astype(int)
        phrased = yield from self._part("phrased", self._phrased(places), "phrasings of true labels")
        decoys, best = [], []
        for start in range(0, len(self.vectors), _DECOYS):
            stop = min(start + _DECOYS, len(self.vectors))
            name, making = f"decoys-{start:04d}", self._decoys(start, stop)
            decoys.append((yield from self._part(name, making, "rankings of random vectors", stop - start)))
        for vector in range(len(self.vectors)):
            making = self._self_score(vector)
            best.append((yield from self._part(f"self-{vector:04d}", making, "texts drawn from random vectors")))
        made = self._together(places, phrased, np.concatenate(decoys), np.stack(best))
        made.save(folder)
        self.parts.clear()
        return made

    def _part(self, name: str, making: Iterator[Floats | None], message: str, weight: int = 1) -> Making:
        """Return a table: read where it was made before, else made, its last item being the table."""
        table = self.parts.get(name)
        for step in making if table is None else ():
            if step is None:
                yield None
            else:
                table = self.parts.keep(name, step)
        assert table is not None
        self._done += weight
        yield Progress(self._done, self._total, message)
        return table

    def _background(self) -> Generator[Progress | None]:
        """Measure the label set's background where it is not known with all its scores."""
        if self.means.scores is None:
            self.means.means = None
            for done in self.means.fill():
                yield None if done is None else Progress(0, self._total, f"background of the labels, position {done}")
            label_means.keep(self.engine, self.reader, self.means)
        self._done += 1

    def _true_labels(self) -> Iterator[Floats | None]:
        for found in true_labels.true_labels(self.engine, self.reader):
            yield None if found is None else np.array(found, dtype=np.float64)

    def _phrased(self, places: np.ndarray) -> Iterator[Floats | None]:
        return true_labels.phrased_table(self.engine, self.reader, self._distinct(places))

    @staticmethod
    def _distinct(places: np.ndarray) -> list[int]:
        return list(dict.fromkeys(places.tolist()))[: true_labels.PHRASED]

    def _decoys(self, start: int, stop: int) -> Iterator[Floats | None]:
        """Yield None at each model step, then the scores of every label at some of the random vectors."""
        prepared = prepared_labels(self.engine, self.reader)
        table = np.full((stop - start, len(prepared.texts)), np.nan)
        for done in score_prepared(self.reader.speaker, self.reader.soft(self.vectors[start:stop]), prepared):
            table[done.sources.start : done.sources.stop, done.texts.numpy()] = done.scores.numpy()
            yield None
        yield table

    def _self_score(self, vector: int) -> Iterator[Floats | None]:
        means = self.means.means
        assert means is not None
        known = {
            text: mean for text, mean in zip(self.means.prepared.texts, means.tolist(), strict=True) if mean == mean
        }
        return self_score(self.engine, self.reader, self.vectors[vector], self.procedure, SEED + vector, known)

    def _together(self, places: np.ndarray, phrased: Floats, decoys: Floats, best: Floats) -> Artefacts:
        scores = self.means.scores
        assert scores is not None
        means, spreads = scores.double().mean(1).numpy(), scores.double().std(1, correction=0).numpy()
        alone = true_labels.limits_of(spreads[places], means[places])
        rows = {label: row for row, label in enumerate(self._distinct(places))}
        some = phrased[[rows[label] for label in places.tolist() if label in rows]]
        marks = np.divide(decoys - means, spreads, out=np.full_like(decoys, np.nan), where=spreads > 0)
        ordinary = ordinary_marks(scores.double().numpy())
        edges = edges_over(marks, ordinary)
        level, supported = choose_level(marks, (spreads < alone.spread) | (means > alone.mean))
        card = ControlsCard(
            made=artefacts.made_from(self.engine, self.reader),
            seed=SEED,
            alone=alone,
            phrased=true_labels.limits_of(some[:, 0], some[:, 1]),
            ranking=Ranking(level, len(decoys), supported),
            drawing=self.procedure,
            notes={**libraries(), "machine": machine(), "device": self.engine.device, "dtype": self.engine.dtype},
        )
        drawn = best[np.isfinite(best).all(1)]
        columns = counts_at(edges, marks), counts_at(edges, ordinary), drawn[:, 0], drawn[:, 1]
        return Artefacts(card, edges, *columns)


def ordinary_marks(scores: Floats) -> Floats:
    """Return standardised gaps `[n, labels]` of labels at background positions, from their scores `[labels, n]`.

    Mean and spread of each are taken over the *other* positions, as they are for a place that is asked about.
    """
    n = scores.shape[1]
    total, squares = scores.sum(1, keepdims=True), (scores**2).sum(1, keepdims=True)
    mean = (total - scores) / max(n - 1, 1)
    spread = np.sqrt(np.maximum((squares - scores**2) / max(n - 1, 1) - mean**2, 0))
    found: Floats = np.divide(scores - mean, spread, out=np.full_like(scores, np.nan), where=spread > 0).T
    return found
