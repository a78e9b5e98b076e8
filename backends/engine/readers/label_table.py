"""The table behind a ranking: every text's score, background and activation, and the records made of them."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from backends.engine import filters
from backends.engine.controls.rankings import RankingJudgement
from backends.engine.labels import LabelSet
from backends.engine.readers import ranking, scores
from backends.engine.readers.label_means import LabelMeans
from backends.engine.readers.prepared import Prepared
from investigator.records import LabelRow, Labels, Point, Score
from investigator.wire import RankLabels

BOUNDS = ("gap", "score", "act", "p")
"""What a filter may bound."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Stage = Literal["estimate", "rescored", "proven", "exact"]


class LabelTable:
    """Columns over `prepared.texts`; NaN stands for what is not known, and never leaves this table."""

    def __init__(self, prepared: Prepared, reader: str) -> None:
        self.prepared = prepared
        self.reader = reader
        count = len(prepared.texts)
        self._score: Floats = np.full(count, np.nan)
        self._mean: Floats = np.full(count, np.nan)
        self._spread: Floats = np.full(count, np.nan)
        self._activation: Floats = np.zeros(count)
        self._labels: LabelSet | None = None
        self._background: dict[int, tuple[float, ...]] = {}
        self._table: NDArray[np.float32] | None = None
        self._positions = 0
        self._scored = np.zeros(count, dtype=bool)
        self._shown: dict[int, bool] = {}
        """Rows that were streamed, and whether with an exact score."""
        self.judgement: RankingJudgement | None = None

    @property
    def known(self) -> int:
        """Number of texts scored exactly so far."""
        return int(self._scored.sum())

    @property
    def gaps(self) -> Floats:
        """[texts] exact or estimated gaps, NaN where unknown."""
        gaps: Floats = self._score - self._mean
        return gaps

    @property
    def means(self) -> Floats:
        """[texts] mean scores over the background."""
        return self._mean

    @property
    def spreads(self) -> Floats:
        """[texts] standard deviations over the background."""
        return self._spread

    @property
    def active(self) -> Ints:
        """Indices of texts with an activation here."""
        return np.flatnonzero(self._activation > 0)

    # What comes in

    def take(self, texts: Ints, values: Floats) -> None:
        """Take the exact scores of some texts; NaN says that the score failed."""
        self._score[texts] = values
        self._scored[texts] = True

    def estimate(self, texts: Ints, values: Floats) -> None:
        """Take estimated scores; what is known exactly stays."""
        open_ = ~self._scored[texts]
        self._score[texts[open_]] = values[open_]

    def take_means(self, means: LabelMeans) -> None:
        """Take the background of a label set."""
        assert means.means is not None
        self._mean, self._positions = means.means.numpy(), means.positions
        if means.scores is not None:
            self._table = means.scores.numpy()
            self._spread = means.scores.double().std(1, correction=0).numpy()

    def take_estimated_means(self, texts: Ints, means: Floats, spreads: Floats, positions: int) -> None:
        """Take means and spreads of some texts, of which no scores at single positions are known."""
        self._mean[texts], self._spread[texts], self._positions = means, spreads, positions

    def take_background(self, index: int, values: tuple[float, ...]) -> None:
        """Take one text's exact scores at the background positions."""
        self._mean[index], self._positions = float(np.mean(values)), len(values)
        self._spread[index] = float(np.std(values))
        self._background[index] = values

    def activations(self, labels: LabelSet, latents: NDArray[np.int64], activations: NDArray[np.float32]) -> None:
        """Take the active latents: a text has the largest activation among the latents that carry it."""
        self._labels = labels
        for latent, activation in zip(latents.tolist(), activations.tolist(), strict=True):
            for text in labels.labels_of(latent):
                index = self.prepared.places.get(text, -1)
                if index >= 0:
                    self._activation[index] = max(self._activation[index], activation)

    # What goes out

    def _keys(self, order: str) -> tuple[Floats, Floats]:
        gap = self.gaps
        lead = gap if order == "gap" or (order == "activation" and not np.isnan(gap).all()) else self._score
        first = np.where(np.isnan(self._score), np.nan, self._activation) if order == "activation" else lead
        return first, lead if order == "activation" else self._score

    def _background_of(self, index: int) -> tuple[float, ...] | None:
        if index in self._background or self._table is None:
            return self._background.get(index)
        return tuple(map(float, self._table[index]))

    def _value(self, index: int) -> Score:
        tokens = self.prepared.lengths[index]
        if index in self.prepared.errors:
            return scores.failed(self.prepared.errors[index])
        value, background = float(self._score[index]), self._background_of(index)
        if background is not None and self._scored[index]:
            found = scores.against(value, tokens, background)
        else:
            found = scores.against_mean(value, tokens, float(self._mean[index]), self._positions)
        if found.gap is None:
            return found
        spread = float(self._spread[index])
        return msgspec.structs.replace(
            found,
            spread=spread if math.isfinite(spread) else None,
            estimate=not self._scored[index],
            **self._judged(index),
        )

    def _judged(self, index: int) -> dict[str, object]:
        if self.judgement is None or not math.isfinite(rate := float(self.judgement.fdr[index])):
            return {}
        return {"verdict": self.judgement.verdicts[index], "fdr": rate, "why": self.judgement.why(index)}

    def _latents(self, index: int) -> tuple[int, ...]:
        return self._labels.latents_of(self.prepared.texts[index]) if self._labels else ()

    def _row(self, index: int, rank: int) -> LabelRow:
        return LabelRow(
            text=self.prepared.texts[index],
            score=self._value(index),
            activation=float(self._activation[index]),
            latents=self._latents(index),
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
        return wanted.holds([self.prepared.texts[index]], self._latents(index), numbers)

    def chosen(self, verb: RankLabels, *, exact: bool = False, only: Ints | None = None) -> list[tuple[int, int]]:
        """Return (index, rank in the whole ranking) of the rows that were asked for.

        `exact` leaves estimates out, `only` all other texts than these.
        """
        first, then = self._keys(verb.order)
        if exact:
            first = np.where(self._scored, first, np.nan)
        if only is not None:
            first = np.where(np.isin(np.arange(len(first)), only), first, np.nan)
        order = ranking.order_by(first, then, None if verb.filter.strip() else verb.limit)
        wanted = filters.parse(verb.filter, BOUNDS)
        chosen: list[tuple[int, int]] = []
        for index, rank in zip(order.tolist(), ranking.ranks(first[order]).tolist(), strict=True):
            if len(chosen) == verb.limit:
                break
            if self._holds(index, wanted):
                chosen.append((index, rank))
        return chosen

    def fresh(self, verb: RankLabels) -> tuple[LabelRow, ...]:
        """Return rows that came among the best since the last call, and shown estimates that are exact now.

        They are not yet ranked (rank 0); each is sent once as an estimate and once as exact at most.
        """
        best = [index for index, _ in self.chosen(verb)]
        late = [index for index, exact in self._shown.items() if not exact and self._scored[index]]
        rows = [index for index in dict.fromkeys([*best, *late]) if self._shown.get(index) != bool(self._scored[index])]
        self._shown.update((index, bool(self._scored[index])) for index in rows)
        return tuple(self._row(index, 0) for index in rows)

    def _failures(self) -> list[int]:
        failed = self._scored & np.isnan(self._score)
        failed[list(self.prepared.errors)] = True
        return [int(index) for index in np.flatnonzero(failed)]

    def result(self, verb: RankLabels, stage: Stage = "exact", *, only: Ints | None = None) -> Labels:
        """Return the ranking; texts that failed stand at its end, as errors without numbers.

        Where not all were scored exactly, estimated rows stand in it only when there are too few exact ones.
        """
        picked = self.chosen(verb, exact=True, only=only)
        if len(picked) < verb.limit and only is None:
            picked = self.chosen(verb)
        failures = self._failures()
        rows = [self._row(index, rank) for index, rank in picked]
        rows += [self._row(index, 0) for index in failures[: verb.limit]]
        score = np.where(self._scored, self._score, np.nan)
        first, then = self._keys(verb.order)
        first = np.where(self._scored, first, np.nan)
        order = ranking.order_by(first, then)
        best = [int(order[place]) for place in ranking.pareto(self._activation[order], score[order])]
        active = [index for index in order.tolist() if self._activation[index] > 0]
        return Labels(
            reader=self.reader,
            order=verb.order,
            total=len(self._score),
            ties=ranking.ties(first[order], verb.limit),
            rows=tuple(rows),
            frontier=tuple(map(self._point, best)),
            points=tuple(map(self._point, dict.fromkeys([*active, *best]))),
            failed=len(failures),
            stage=stage,
            supported=self.judgement.supported if self.judgement else None,
        )

    def _point(self, index: int) -> Point:
        return Point(self.prepared.texts[index], float(self._activation[index]), float(self._score[index]))
