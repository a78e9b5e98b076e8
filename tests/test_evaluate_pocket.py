"""The figures' own arithmetic: intervals over documents, gains over blind readers, rank shares."""

import numpy as np
import pytest

from backends.engine.evaluating.bootstrap import interval_over_documents, mean, median
from backends.engine.evaluating.gain import gain_over_blind
from backends.engine.evaluating.ranks import rank_share


def test_an_interval_over_documents_is_wider_than_one_over_places() -> None:
    draw = np.random.default_rng(0)
    documents = np.repeat(np.arange(30), 40).astype(np.int32)
    values = draw.normal(size=30)[documents] + 0.1 * draw.normal(size=1200)
    low, high = interval_over_documents(values, documents, mean, seed=1)
    alone = interval_over_documents(values, np.arange(1200, dtype=np.int32), mean, seed=1)
    assert low < values.mean() < high
    assert high - low > 3 * (alone[1] - alone[0])
    # The error of a mean of 30 documents, within the noise of the bootstrap.
    by_document = np.array([values[documents == number].mean() for number in range(30)])
    assert (high - low) / (2 * 1.96) == pytest.approx(by_document.std() / 30**0.5, rel=0.2)


def test_intervals_are_the_same_for_the_same_seed() -> None:
    values, documents = np.arange(20.0), np.repeat(np.arange(5), 4).astype(np.int32)
    first = interval_over_documents(values, documents, median, seed=7)
    assert first == interval_over_documents(values, documents, median, seed=7)


@pytest.mark.parametrize(("shuffled", "blind"), [(-2.0, -3.0), (-3.0, -2.0)])
def test_the_gain_is_over_the_better_of_the_two(shuffled: float, blind: float) -> None:
    scores = np.column_stack([np.full(10, -1.5), np.full(10, shuffled), np.full(10, blind)])
    gain = gain_over_blind(scores, np.arange(10, dtype=np.int32), seed=1)
    assert gain.value == pytest.approx(0.5)
    assert gain.interval == pytest.approx((0.5, 0.5))
    assert ("shuffled activations" in gain.compared_with.split("(")[0]) == (shuffled > blind)


def test_a_reader_that_knows_nothing_gains_nothing() -> None:
    draw = np.random.default_rng(0)
    scores = draw.normal(-2, 0.1, size=(400, 3))
    low, high = gain_over_blind(scores, np.repeat(np.arange(100), 4).astype(np.int32), seed=1).interval
    assert low < 0.02 and high > -0.02


def test_rank_shares() -> None:
    others = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_share(5.0, others) == 0.0
    assert rank_share(0.0, others) == 1.0
    assert rank_share(2.5, others) == 0.5
    assert rank_share(3.0, others) == pytest.approx(1.5 / 4)
