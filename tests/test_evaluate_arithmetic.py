"""What the figures of `evaluate controls` are computed with, against scikit-learn, scipy and counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from backends.engine.controls.statistics import share_above
from backends.engine.evaluating.controls import auroc as auroc_figures
from backends.engine.evaluating.controls.arithmetic import auroc, band, distance_to_uniform, p_by_lot, share
from backends.engine.evaluating.controls.senses import wins


@pytest.mark.parametrize("ties", [1000, 5, 1])
def test_auroc_is_scikit_learns_and_the_share_of_pairs(ties: int) -> None:
    draw = np.random.default_rng(ties)
    for _ in range(20):
        positive = draw.random(60) < 0.2
        positive[:2] = True, False
        values = draw.integers(0, ties, 60) + 0.3 * positive
        found = auroc(values.astype(float), positive)
        pairs = [(a > b) + 0.5 * (a == b) for a in values[positive] for b in values[~positive]]
        assert found == pytest.approx(np.mean(pairs))
        assert found == pytest.approx(roc_auc_score(positive, values))


def test_auroc_of_one_kind_alone_is_no_number() -> None:
    assert math.isnan(auroc(np.arange(3.0), np.array([True, True, True])))


def test_a_p_value_by_lot_lies_below_the_engines_own_and_counts_ties() -> None:
    background = np.array([1.0, 2.0, 2.0, 3.0])
    assert p_by_lot(2.0, background, 0.0) == pytest.approx(1 / 5)
    assert p_by_lot(2.0, background, 1.0) == pytest.approx(4 / 5)
    for value in (0.0, 1.0, 2.0, 2.5, 9.0):
        assert p_by_lot(value, background, 1.0) == pytest.approx(share_above(value, background))


@pytest.mark.parametrize("levels", [2, 1000])
def test_p_values_by_lot_are_uniform_where_there_is_nothing_even_with_ties(levels: int) -> None:
    draw = np.random.default_rng(levels)
    rows = draw.integers(0, levels, size=(4000, 20)).astype(float)
    found = np.array([p_by_lot(row[0], row[1:], draw.random()) for row in rows])
    assert distance_to_uniform(found) < 0.03
    # Without lots two levels give only large values.
    own = np.array([p_by_lot(row[0], row[1:], 1.0) for row in rows])
    assert levels > 2 or distance_to_uniform(own) > 0.2


def test_the_distance_is_the_largest_step_between_the_two_distributions() -> None:
    values = np.random.default_rng(0).random(50) ** 2
    ordered = np.sort(values)
    by_hand = max(
        max(abs((place + 1) / 50 - value), abs(place / 50 - value)) for place, value in enumerate(ordered.tolist())
    )
    assert distance_to_uniform(values) == pytest.approx(by_hand)
    assert distance_to_uniform(values) == pytest.approx(stats.kstest(values, "uniform").statistic)


def test_the_band_of_a_distance_holds_the_true_one() -> None:
    draw = np.random.default_rng(1)
    # x squared of uniform values: P(<= t) is sqrt(t), whose distance to t is 1/4.
    bands = [band(distance_to_uniform(draw.random(200) ** 2), 200) for _ in range(300)]
    assert np.mean([low <= 0.25 <= high for low, high in bands]) >= 0.95
    assert band(0.01, 200)[0] == 0.0


def test_a_share_has_an_interval_over_its_groups() -> None:
    groups = np.repeat(np.arange(20), 50)
    flags = groups % 4 == 0
    value, (low, high) = share(flags, groups, seed=3)
    assert value == pytest.approx(0.25)
    # Twenty groups, all or nothing: about the interval of twenty throws, and far from that of a thousand.
    assert 0.02 < low < 0.12 and 0.38 < high < 0.5


def test_only_what_training_draws_from_counts_beside_the_inactive() -> None:
    active = np.array([[True, True, False, False], [True, False, False, False]])
    drawn = np.array([[True, False, False, False], [False, False, False, False]])
    table = np.array([[0.5, 0.9, 0.7, 0.1], [0.0, 1.0, 1.0, 1.0]])
    # At the first place 0.5 stands against 0.7 and 0.1, the other active label is left out; the second has none.
    assert auroc_figures._rare(table, auroc_figures.Truth(active, drawn)).endswith("0.500")
    assert auroc_figures._rare(table[1:], auroc_figures.Truth(active[1:], drawn[1:])) == ""


def test_equal_scores_win_half() -> None:
    assert wins(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0])).tolist() == [1.0, 0.5, 0.0]
