"""A whole ranking, judged: an empirical false discovery rate against the rankings of covariance-random decoys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backends.engine.controls.artefacts import Artefacts, artefacts_of
from backends.engine.controls.statistics import Floats
from backends.engine.readers.reader import Reader
from investigator.records import Verdict

if TYPE_CHECKING:
    from backends.engine.engine import WorkbenchEngine

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class RankingJudgement:
    """What a whole ranking's labels are called, in the order that they were given."""

    fdr: Floats
    """[labels] the smallest false discovery rate of any list that holds this label; NaN where it has no gap."""
    verdicts: tuple[Verdict | None, ...]
    supported: int
    level: float
    """The false discovery rate up to which a label is supported."""

    def why(self, label: int) -> str:
        """Return the verdict on one label in a sentence."""
        rate = float(self.fdr[label])
        match self.verdicts[label]:
            case "fits almost anything":
                return "Over the background it moves less, or scores more, than 97.5 % of true labels do."
            case "supported":
                return f"Of the labels down to here {_percent(rate)} would be false; {_percent(self.level)} is allowed."
            case "not above baseline":
                return f"Of the labels down to here {_percent(rate)} would be false, more than {_percent(self.level)}."
        return ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def judge_ranking(
    engine: WorkbenchEngine, reader: Reader, gaps: Floats, spreads: Floats, means: Floats | None = None
) -> RankingJudgement | None:
    """Judge every label of a ranking by gap; None where the reader has no artefacts.

    `gaps`, `spreads` and `means` [labels] are in nats per token, the last two over the background; a label whose gap
    or spread is NaN has no verdict. Without `means` a label is called vague for its spread alone.
    """
    artefacts = artefacts_of(engine, reader)
    return None if artefacts is None else judge_with(artefacts, gaps, spreads, means)


def judge_with(artefacts: Artefacts, gaps: Floats, spreads: Floats, means: Floats | None = None) -> RankingJudgement:
    """Judge every label of a ranking with given artefacts."""
    marks = np.divide(gaps, spreads, out=np.full(len(gaps), np.nan), where=spreads > 0)
    limits, level = artefacts.card.alone, artefacts.card.ranking.level
    vague = spreads < limits.spread
    if means is not None:
        vague |= means > limits.mean
    fdr = false_discovery_rates(marks, artefacts.edges, artefacts.decoys, artefacts.card.ranking.decoys)
    supported = (fdr <= level) & ~vague
    verdicts = tuple(map(_verdict, np.isfinite(gaps) & np.isfinite(spreads), vague, supported))
    return RankingJudgement(fdr, verdicts, int(supported.sum()), level)


def _verdict(known: bool, vague: bool, supported: bool) -> Verdict | None:
    if not known:
        return None
    return "fits almost anything" if vague else "supported" if supported else "not above baseline"


def false_discovery_rates(marks: Floats, edges: Floats, decoys: Counts, count: int) -> Floats:
    """Return each label's false discovery rate, at most 1: decoys' labels above a mark over labels above it here.

    `decoys` [edges] is the average number of labels at or above each edge in `count` decoys' rankings; one label in
    one more decoy is added, so that no rate comes out below what so many decoys can show. As a list that goes further
    down may be the cleaner one, a label gets the smallest rate of all lists that hold it (the q-value).
    """
    rates = np.full(len(marks), np.nan)
    known = np.flatnonzero(np.isfinite(marks))
    order = known[np.argsort(-marks[known], kind="stable")]
    here = np.searchsorted(-marks[order], -marks[order], side="right")
    expected = (count * above(edges, decoys, marks[order]) + 1) / (count + 1)
    if len(order):
        rates[order] = np.minimum.accumulate(np.minimum(expected / here, 1.0)[::-1])[::-1]
    return rates


def above(edges: Floats, decoys: Counts, marks: Floats) -> Counts:
    """Return how many of a decoy's labels stand at or above each mark, never fewer: a mark falls to its edge below."""
    below = np.searchsorted(edges, marks, side="right") - 1
    found: Counts = np.where(below >= 0, decoys[np.maximum(below, 0)], decoys[0])
    return found


def edges_over(*tables: Floats, bins: int = 4096) -> Floats:
    """Return rising edges [bins] over all standardised gaps of some tables; the first lies below everything."""
    known = np.concatenate([table[np.isfinite(table)] for table in tables])
    low, high = float(known.min()), float(known.max())
    # Stored as float32: an edge must not come out above the value that it stands for.
    edges = np.linspace(low, high, bins).astype(np.float32).astype(np.float64)
    edges[0] = np.nextafter(np.float32(low), np.float32(-np.inf))
    return edges


def counts_at(edges: Floats, table: Floats) -> Counts:
    """Return how many standardised gaps of a table `[rankings, labels]` stand at or above each edge, a ranking."""
    known = np.sort(table[np.isfinite(table)])
    found: Counts = (len(known) - np.searchsorted(known, edges, side="left")) / len(table)
    return found
