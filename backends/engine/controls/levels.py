"""At which false discovery rate a ranking calls a label supported: chosen so that decoys' rankings support almost none.

A rate of 5 % does not say that a ranking of nothing supports 0.05 labels: where all labels are false, a list is called
supported in about one ranking of twenty, and such a list may be long, because labels move together. So each decoy is
judged against all the others, and the largest level at which they support few enough labels is taken.
"""

from __future__ import annotations

import numpy as np

from backends.engine.controls.rankings import counts_at, edges_over, false_discovery_rates
from backends.engine.controls.statistics import Floats

LEVELS = (0.05, 0.03, 0.02, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001)
"""False discovery rates that may be chosen, the largest first."""
MOST_SUPPORTED = 0.05
"""Labels that a decoy's ranking may support on average: half of what is promised for rankings of nothing."""


def rates_left_out(marks: Floats) -> Floats:
    """Return every decoy's false discovery rates `[decoys, labels]`, judged against all the other decoys."""
    edges, count = edges_over(marks), len(marks)
    whole = counts_at(edges, marks)
    rows = []
    for row in marks:
        others = (whole * count - counts_at(edges, row[None])) / (count - 1)
        rows.append(false_discovery_rates(row, edges, others, count - 1))
    return np.stack(rows)


def choose_level(marks: Floats, vague: np.ndarray) -> tuple[float, float]:
    """Return the level, and how many labels a decoy supports at it, from standardised gaps `[decoys, labels]`.

    `vague` [labels] says which labels are never supported. Where even the smallest level supports too many, it is 0:
    nothing is supported.
    """
    if len(marks) < 2:
        return 0.0, 0.0
    rates = np.where(vague, np.nan, rates_left_out(marks))
    for level in LEVELS:
        supported = float((rates <= level).sum(axis=1).mean())
        if supported <= MOST_SUPPORTED:
            return level, supported
    return 0.0, 0.0
