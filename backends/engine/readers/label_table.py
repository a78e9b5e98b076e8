"""The table behind a ranking: every text's score, background and activation, and the records made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.engine import filters
from backends.engine.labels import LabelSet
from backends.engine.readers import ranking, scores
from backends.engine.readers.label_means import LabelMeans
from backends.engine.readers.prepared import Prepared
from investigator.records import LabelRow, Labels, Point, Score
from investigator.wire import RankLabels

BOUNDS = ("gap", "score", "act", "p")
"""What a filter may bound."""
Floats = NDArray[np.float64]


class LabelTable:
    """Columns over `prepared.texts`; NaN stands for what is not known yet, and never leaves this table."""

    def __init__(self, prepared: Prepared, reader: str) -> None:
        self.prepared = prepared
        self.reader = reader
        count = len(prepared.texts)
        self._score: Floats = np.full(count, np.nan)
        self._mean: Floats = np.full(count, np.nan)
        self._activation: Floats = np.zeros(count)
        self._latents: dict[int, tuple[int, ...]] = {}
        self._background: dict[int, Any] = {}
        self._positions = 0
        self._scored = np.zeros(count, dtype=bool)
        self._lengths = prepared.lengths
        self._shown: set[int] = set()

    @property
    def known(self) -> int:
        """Number of texts scored so far."""
        return int(self._scored.sum())

    def take(self, texts: NDArray[np.int64], values: Floats) -> None:
        """Take the scores of some texts; NaN says that the score failed."""
        self._score[texts] = values
        self._scored[texts] = True

    def means(self, means: LabelMeans) -> None:
        """Take the background of a label set."""
        assert means.means is not None
        self._mean, self._positions = means.means.numpy(), means.positions
        if means.scores is not None:
            self._background = dict(enumerate(means.scores))

    def backgrounds(self, found: list[tuple[float, ...]]) -> None:
        """Take the background scores of every text in the plan."""
        for index, values in zip(self.prepared.valid.tolist(), found, strict=True):
            self._mean[index], self._positions = float(np.mean(values)), len(values)
            self._background[index] = values

    def activations(self, labels: LabelSet, latents: NDArray[np.int64], activations: NDArray[np.float32]) -> None:
        """Take the active latents: a text has the largest activation among the latents that carry it."""
        active = dict(zip(latents.tolist(), activations.tolist(), strict=True))
        where = {text: index for index, text in enumerate(self.prepared.texts)}
        for latent, activation in active.items():
            for text in labels.labels_of(latent):
                index = where.get(text, -1)
                if index >= 0:
                    self._activation[index] = max(self._activation[index], activation)
        self._latents = {index: labels.latents_of(text) for text, index in where.items() if text in labels}

    def _keys(self, order: str) -> tuple[Floats, Floats]:
        gap = self._score - self._mean
        lead = gap if order == "gap" or (order == "activation" and not np.isnan(gap).all()) else self._score
        first = np.where(np.isnan(self._score), np.nan, self._activation) if order == "activation" else lead
        return first, lead if order == "activation" else self._score

    def _value(self, index: int) -> Score:
        value, tokens = float(self._score[index]), self._lengths[index]
        if index in self.prepared.errors:
            return scores.failed(self.prepared.errors[index])
        background = self._background.get(index)
        if background is not None:
            return scores.against(value, tokens, tuple(map(float, background)))
        return scores.against_mean(value, tokens, float(self._mean[index]), self._positions)

    def _row(self, index: int, rank: int) -> LabelRow:
        return LabelRow(
            text=self.prepared.texts[index],
            score=self._value(index),
            activation=float(self._activation[index]),
            latents=self._latents.get(index, ()),
            rank=rank,
        )

    def _holds(self, index: int, wanted: filters.Filter) -> bool:
        nothing = float("nan")
        value = self._value(index) if wanted.bounds else Score()
        numbers = {
            "gap": nothing if value.gap is None else value.gap,
            "score": nothing if value.score is None else value.score,
            "p": nothing if value.p is None else value.p,
            "act": float(self._activation[index]),
        }
        return wanted.holds([self.prepared.texts[index]], self._latents.get(index, ()), numbers)

    def _chosen(self, verb: RankLabels) -> list[tuple[int, int]]:
        """Return (index, rank in the whole ranking) of the rows that were asked for."""
        first, then = self._keys(verb.order)
        order = ranking.order_by(first, then)
        wanted = filters.parse(verb.filter, BOUNDS)
        chosen: list[tuple[int, int]] = []
        for index, rank in zip(order.tolist(), ranking.ranks(first[order]).tolist(), strict=True):
            if len(chosen) == verb.limit:
                break
            if self._holds(index, wanted):
                chosen.append((index, rank))
        return chosen

    def fresh(self, verb: RankLabels) -> tuple[LabelRow, ...]:
        """Return rows that came among the best since the last call, not yet ranked (rank 0): each is sent once."""
        chosen = [index for index, _ in self._chosen(verb) if index not in self._shown]
        self._shown.update(chosen)
        return tuple(self._row(index, 0) for index in chosen)

    def result(self, verb: RankLabels) -> Labels:
        """Return the ranking; texts that failed stand at its end, as errors without numbers."""
        first, then = self._keys(verb.order)
        order = ranking.order_by(first, then)
        failures = [index for index in range(len(self._score)) if np.isnan(self._score[index])]
        rows = [self._row(index, rank) for index, rank in self._chosen(verb)]
        rows += [self._row(index, 0) for index in failures[: verb.limit]]
        frontier = ranking.pareto(self._activation[order], self._score[order])
        active = [index for index in order.tolist() if self._activation[index] > 0]
        best = [int(order[place]) for place in frontier]
        return Labels(
            reader=self.reader,
            order=verb.order,
            total=len(self._score),
            ties=ranking.ties(first[order], verb.limit),
            rows=tuple(rows),
            frontier=tuple(map(self._point, best)),
            points=tuple(map(self._point, dict.fromkeys([*active, *best]))),
            failed=len(failures),
        )

    def _point(self, index: int) -> Point:
        return Point(self.prepared.texts[index], float(self._activation[index]), float(self._score[index]))
