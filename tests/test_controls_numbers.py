"""The numbers behind a verdict, against references that are slow and plain."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from backends.engine.controls import intervals, rankings
from backends.engine.controls.building import ordinary_marks
from backends.engine.controls.levels import LEVELS, MOST_SUPPORTED, choose_level, rates_left_out
from backends.engine.controls.measures import strip
from backends.engine.controls.statistics import Evidence, Family, also_tried, middle
from backends.engine.controls.verdicts import Limits, Tried, judge, judge_drawn


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def evidence(value: float, seed: int = 0, n: int = 512, m: int = 200) -> Evidence:
    return Evidence(value, draw(n, seed=seed), draw(m, seed=seed + 1))


def test_the_statistic_is_the_median_over_phrasings_place_by_place() -> None:
    for phrasings in (1, 2, 3, 6):
        table = draw(phrasings, 40)
        slow = [statistics.median(row[place] for row in table.tolist()) for place in range(40)]
        assert middle(table).tolist() == pytest.approx(slow, abs=1e-15)


def test_p_counts_ties_against_the_text() -> None:
    found = Evidence(1.0, np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 0.5]))
    assert found.p == (1 + 3) / 5
    assert found.p_covariance == (1 + 1) / 3
    assert found.gap == 0.0
    assert found.spread == statistics.pstdev([0.0, 1.0, 1.0, 2.0])


def test_several_texts_are_corrected_by_the_best_of_them_at_every_control() -> None:
    background, drawn = draw(5, 300), draw(5, 90, seed=2)
    family = Family(list(background), list(drawn))
    for text in range(5):
        own = Evidence(2.4, background[text], drawn[text])

        def marks(row: np.ndarray, at: int) -> list[float]:
            mean, spread = statistics.fmean(background[at]), statistics.pstdev(background[at].tolist())
            return [(value - mean) / spread for value in row.tolist()]

        mark = marks(np.array([2.4]), text)[0]
        best = [max(column) for column in zip(*(marks(background[at], at) for at in range(5)), strict=True)]
        random = [max(column) for column in zip(*(marks(drawn[at], at) for at in range(5)), strict=True)]
        p, p_random = family.corrected(own)
        assert p == (1 + sum(value >= mark for value in best)) / 301
        assert p_random == (1 + sum(value >= mark for value in random)) / 91
        assert p >= own.p


def test_one_text_alone_keeps_its_own_p_values() -> None:
    own = evidence(2.0)
    assert Family([own.background], [own.covariance]).corrected(own) == (own.p, own.p_covariance)


def test_texts_that_say_the_same_cost_nothing() -> None:
    own = evidence(2.5)
    assert Family([own.background] * 7, [own.covariance] * 7).corrected(own) == (own.p, own.p_covariance)


def test_earlier_wordings_are_corrected_for_by_their_number() -> None:
    assert also_tried(0.004, 0.004, 0) == pytest.approx(0.004)
    assert also_tried(0.004, 0.004, 3) == pytest.approx(1 - 0.996**4)
    assert also_tried(0.01, 0.002, 2) == pytest.approx(1 - 0.99 * 0.998**2)


LIMITS = Limits(spread=0.2, mean=1.0)


def test_the_first_verdict_that_holds_is_given() -> None:
    low_spread = Evidence(9.0, draw(512) * 0.1, draw(200) * 0.1)
    assert judge(low_spread, LIMITS).verdict == "fits almost anything"
    high_mean = Evidence(9.0, draw(512) + 3, draw(200) + 3)
    assert judge(high_mean, LIMITS).verdict == "fits almost anything"
    assert judge(evidence(1.0), LIMITS).verdict == "not above baseline"
    assert judge(evidence(9.0), LIMITS).verdict == "supported"
    random_does_as_well = Evidence(9.0, draw(512), draw(200) + 9)
    assert judge(random_does_as_well, LIMITS).verdict == "not above baseline"


@pytest.mark.parametrize("value", [-1.0, 1.0, 9.0])
def test_every_verdict_says_why_with_its_numbers(value: float) -> None:
    for limits in (LIMITS, None):
        found = judge(evidence(value), limits)
        assert any(character.isdigit() for character in found.why)
        assert found.why.endswith(".")
        assert f"{evidence(value).gap:+.2f}" in found.why


def test_without_thresholds_nothing_is_called_supported_and_the_command_is_named() -> None:
    found = judge(evidence(9.0), None)
    assert found.verdict is None
    assert "investigator index controls" in found.why
    assert judge(evidence(0.0), None).verdict == "not above baseline"


def test_the_level_of_p_is_one_in_a_hundred_exactly() -> None:
    background = np.arange(512, dtype=float)
    # (1 + 4) / 513 = 0.0097 passes, (1 + 5) / 513 = 0.0117 does not.
    assert judge(Evidence(507.5, background, background[:200] * 0), LIMITS).verdict == "fits almost anything"
    wide = Limits(spread=0.2, mean=1e9)
    assert judge(Evidence(507.5, background, background[:200]), wide).verdict == "supported"
    assert judge(Evidence(506.5, background, background[:200]), wide).verdict == "not above baseline"


def test_too_many_wordings_make_support_unreachable_and_it_says_so() -> None:
    own = evidence(9.0)
    assert judge(own, LIMITS, Tried(own.p, own.p_covariance, before=4)).verdict == "supported"
    found = judge(own, LIMITS, Tried(own.p, own.p_covariance, before=5))
    assert found.verdict == "not above baseline"
    assert "6 wordings were tried" in found.why
    assert "no text can be supported" in found.why


def test_earlier_wordings_count_as_ordinary_labels_where_these_are_known() -> None:
    own = evidence(9.0)
    tried = Tried(own.p, own.p_covariance, before=40, ordinary=(1e-5, 1e-5))
    p, random = tried.corrected(own)
    assert p == pytest.approx(1 - (1 - own.p) * (1 - 1e-5) ** 40)
    assert random == pytest.approx(1 - (1 - own.p_covariance) * (1 - 1e-5) ** 40)
    assert judge(own, LIMITS, tried).verdict == "supported"
    often = Tried(own.p, own.p_covariance, before=40, ordinary=(0.01, 0.01))
    assert judge(own, LIMITS, often).verdict == "not above baseline"


def test_ordinary_marks_are_taken_without_the_place_itself() -> None:
    scores = draw(7, 20)
    found = ordinary_marks(scores)
    for label in range(7):
        for place in range(20):
            others = np.delete(scores[label], place).tolist()
            slow = (scores[label, place] - statistics.fmean(others)) / statistics.pstdev(others)
            assert found[place, label] == pytest.approx(slow, abs=1e-9)
    assert np.isnan(ordinary_marks(np.zeros((2, 5)))).all()


def test_few_background_positions_make_support_unreachable_and_it_says_so() -> None:
    few = Evidence(9.0, draw(60), draw(200))
    found = judge(few, LIMITS)
    assert found.verdict == "not above baseline"
    assert "only 60 background positions" in found.why


def test_drawn_text_is_judged_by_what_random_vectors_draw() -> None:
    own, best = evidence(3.0), draw(200) + 1
    slow = (1 + sum(value >= own.gap for value in best.tolist())) / 201
    assert (judge_drawn(own, LIMITS, best).verdict == "supported") == (slow <= 0.05)
    assert judge_drawn(own, LIMITS, best + 9).verdict == "not above baseline"
    assert judge_drawn(own, Limits(9.0, 9.0), best).verdict == "fits almost anything"
    assert judge_drawn(own, None, None).verdict is None
    assert judge_drawn(own, LIMITS, None).verdict is None


# Intervals


def slow_gap(values: list[float], table: list[list[float]], ways: list[int], places: list[int]) -> float:
    here = statistics.median(values[way] for way in ways)
    return here - statistics.fmean(statistics.median(table[way][place] for way in ways) for place in places)


def test_the_interval_resamples_phrasings_and_background_together() -> None:
    values, table = draw(3, seed=5), draw(3, 20, seed=6)
    random = np.random.default_rng(7)
    slow = []
    for _ in range(200):
        ways, places = random.integers(0, 3, 3).tolist(), random.integers(0, 20, 20).tolist()
        slow.append(slow_gap(values.tolist(), table.tolist(), ways, places))
    low, high = intervals.GapBootstrap(table, 7, draws=200).interval(values)
    assert (low, high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=1e-12)


def test_an_interval_is_the_same_for_a_seed_and_holds_the_gap() -> None:
    values, table = draw(3, seed=5) + 2, draw(3, 512, seed=6)
    low, high = intervals.GapBootstrap(table, 3).interval(values)
    assert intervals.GapBootstrap(table, 3).interval(values) == (low, high)
    assert intervals.GapBootstrap(table, 4).interval(values) != (low, high)
    assert low <= float(np.median(values)) - middle(table).mean() <= high


def test_a_paired_interval_is_narrower_than_two_apart_where_sides_move_together() -> None:
    table = draw(1, 512, seed=1) * 3
    left, right = (np.array([5.0]), table), (np.array([1.0]), table + 0.01 * draw(1, 512, seed=2))
    low, high = intervals.difference_interval(left, right, 0)
    alone = [intervals.GapBootstrap(behind, 0).interval(here) for here, behind in (left, right)]
    assert low <= 4.0 <= high + 0.01
    assert high - low < 0.1 * ((alone[0][1] - alone[0][0]) + (alone[1][1] - alone[1][0]))


def test_a_paired_interval_against_a_slow_reference_also_with_unlike_phrasings() -> None:
    for ways in (2, 3):
        left, right = (draw(3, seed=1), draw(3, 15, seed=2)), (draw(ways, seed=3), draw(ways, 15, seed=4))
        random = np.random.default_rng(9)
        slow = []
        for _ in range(150):
            at = random.integers(0, 15, 15).tolist()
            own = random.integers(0, 3, 3).tolist()
            other = own if ways == 3 else random.integers(0, ways, ways).tolist()
            one = slow_gap(left[0].tolist(), left[1].tolist(), own, at)
            slow.append(one - slow_gap(right[0].tolist(), right[1].tolist(), other, at))
        found = intervals.difference_interval(left, right, 9, draws=150)
        assert found == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=1e-12)


def test_a_strip_shows_the_ends_and_at_most_256() -> None:
    values = draw(1000)
    shown = strip(values)
    assert len(shown) == 256
    assert (shown[0], shown[-1]) == (values.min(), values.max())
    assert list(shown) == sorted(shown)
    assert strip(values[:9]) == tuple(sorted(values[:9].tolist()))


# Rankings


def slow_rates(row: np.ndarray, decoys: np.ndarray) -> list[float]:
    """Every label's rate by counting; then the smallest rate of any list that holds it."""
    count = len(decoys)
    rates = []
    for mark in row.tolist():
        false = sum(int((decoy >= mark).sum()) for decoy in decoys)
        rates.append(min(1.0, (false + 1) / (count + 1) / sum(other >= mark for other in row.tolist())))
    return [min(rates[j] for j in range(len(row)) if row[j] <= row[i]) for i in range(len(row))]


def test_false_discovery_rates_by_brute_force() -> None:
    decoys, row = draw(30, 50), draw(50, seed=8) + np.r_[np.zeros(40), np.full(10, 3.0)]
    edges = rankings.edges_over(decoys, bins=1 << 18)
    counts = rankings.counts_at(edges, decoys)
    found = rankings.false_discovery_rates(row, edges, counts, len(decoys))
    assert found.tolist() == pytest.approx(slow_rates(row, decoys), abs=0.01)


def test_a_coarse_grid_only_errs_towards_more_false_ones() -> None:
    decoys, row = draw(30, 50), draw(50, seed=8) + 0.5
    edges = rankings.edges_over(decoys, bins=64)
    counts = rankings.counts_at(edges, decoys)
    found = rankings.false_discovery_rates(row, edges, counts, len(decoys))
    assert all(rate >= exact - 1e-12 for rate, exact in zip(found.tolist(), slow_rates(row, decoys), strict=True))


def test_a_better_label_never_has_the_larger_rate_and_nan_has_none() -> None:
    decoys, row = draw(30, 50), draw(50, seed=8) * 2
    row[7] = np.nan
    edges = rankings.edges_over(decoys)
    found = rankings.false_discovery_rates(row, edges, rankings.counts_at(edges, decoys), 30)
    assert np.isnan(found[7])
    known = [rate for _, rate in sorted((-mark, rate) for mark, rate in zip(row, found, strict=True) if mark == mark)]
    assert known == sorted(known)


def test_each_decoy_is_judged_against_all_the_others() -> None:
    marks = draw(12, 30)
    found = rates_left_out(marks)
    for decoy in range(12):
        others = np.delete(marks, decoy, axis=0)
        slow = slow_rates(marks[decoy], others)
        assert found[decoy].tolist() == pytest.approx(slow, abs=0.02)


def test_the_level_lets_decoys_support_almost_nothing() -> None:
    # Labels that move together: a ranking of nothing has many marks above 3 at once, or none.
    shared = draw(200, 1, seed=3)
    marks = 0.9 * shared + 0.4 * draw(200, 80, seed=4)
    level, supported = choose_level(marks, np.zeros(80, dtype=bool))
    counts = (rates_left_out(marks) <= level).sum(axis=1)
    assert supported == counts.mean() <= MOST_SUPPORTED
    assert level in (*LEVELS, 0.0)
    assert choose_level(marks[:1], np.zeros(80, dtype=bool)) == (0.0, 0.0)


def test_vague_labels_do_not_hold_the_level_down() -> None:
    marks = draw(200, 20)
    marks[:, 0] = 50.0 * (np.random.default_rng(0).random(200) < 0.5)
    free, _ = choose_level(marks, np.arange(20) == 0)
    assert free >= choose_level(marks, np.zeros(20, dtype=bool))[0]
