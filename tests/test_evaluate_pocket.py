"""The figures' own arithmetic: intervals over documents, gains over blind readers, rank shares."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from backends.engine.evaluating.bootstrap import interval_over_documents, mean, median
from backends.engine.evaluating.gain import COLUMNS, gain_over_blind
from backends.engine.evaluating.ranks import rank_share
from backends.engine.training.label_counts import frequency_scores, write_counts


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


@pytest.mark.parametrize("best", [1, 2, 3])
def test_the_gain_is_over_the_best_of_the_baselines(best: int) -> None:
    scores = np.full((10, 4), -3.0)
    scores[:, 0], scores[:, best] = -1.5, -2.0
    gain = gain_over_blind(scores, np.arange(10, dtype=np.int32), seed=1)
    assert gain.value == pytest.approx(0.5)
    assert gain.interval == pytest.approx((0.5, 0.5))
    assert gain.compared_with.startswith(COLUMNS[best])


def test_a_reader_that_knows_nothing_gains_nothing() -> None:
    draw = np.random.default_rng(0)
    scores = draw.normal(-2, 0.1, size=(400, 4))
    low, high = gain_over_blind(scores, np.repeat(np.arange(100), 4).astype(np.int32), seed=1).interval
    assert low < 0.02 and high > -0.02


def test_label_frequencies_are_scored_as_counted_by_hand(tmp_path: Path) -> None:
    write_counts(tmp_path, torch.tensor([0, 0, 2, 0], dtype=torch.int32), 3)
    scores = frequency_scores(tmp_path, torch.tensor([2, 4, 1]))
    expected = [math.log(3.5 / 5.5) / 2, math.log(0.5 / 5.5) / 4, math.log(1.5 / 5.5)]
    assert scores.tolist() == pytest.approx(expected)


def test_rank_shares() -> None:
    others = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_share(5.0, others) == 0.0
    assert rank_share(0.0, others) == 1.0
    assert rank_share(2.5, others) == 0.5
    assert rank_share(3.0, others) == pytest.approx(1.5 / 4)
