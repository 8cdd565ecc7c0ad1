import numpy as np
import pytest
from scipy.stats import spearmanr

from medweave.quality.assessment import Judged, coverage, cross_validated, rank_correlation
from medweave.quality.calibration import Pair, fit_calibration


def pair(name, group, agreement, dice):
    return Pair(name, group, {} if agreement is None else {"agreement": agreement}, dice)


def judged(predicted, dice, group="g", low=0.0, high=1.0):
    return Judged(pair("x", group, 0.5, dice), predicted, low, high, predicted - 0.5)


def test_each_group_is_judged_by_the_others():
    rng = np.random.default_rng(0)
    pairs = [pair(str(k), str(k // 2), rng.random(), rng.random()) for k in range(24)]
    found = cross_validated(pairs, {"agreement"})
    assert {one.pair.image_id for one in found} == {str(k) for k in range(24)}
    for one in found:
        others = [other for other in pairs if other.group_id != one.pair.group_id]
        calibration = fit_calibration(others, {"agreement"})
        assert (one.predicted, one.low, one.high) == calibration.predict(one.pair.features)
        mean = np.mean([np.mean([p.dice for p in others if p.group_id == g]) for g in {p.group_id for p in others}])
        assert mean + one.lead == pytest.approx(one.predicted)


def test_two_groups_or_no_agreement_cannot_be_judged():
    assert cross_validated([pair("a", "a", 0.1, 0.2), pair("b", "b", 0.3, 0.4)], {"agreement"}) == []
    pairs = [pair(k, k, None if k == "a" else 0.5, 0.5) for k in "abcd"]
    assert {one.pair.image_id for one in cross_validated(pairs, {"agreement"})} == {"b", "c", "d"}


def test_rank_correlation_is_that_of_scipy_also_with_ties():
    rng = np.random.default_rng(1)
    predicted, dice = rng.integers(0, 6, 30) / 6, rng.integers(0, 6, 30) / 6
    found = rank_correlation([judged(p, d) for p, d in zip(predicted, dice, strict=True)])
    assert found == pytest.approx(spearmanr(predicted, dice).statistic)


def test_features_that_say_nothing_have_no_rank_correlation():
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        pairs = [pair(str(k), str(k), rng.random(), rng.random()) for k in range(25)]
        found.append(rank_correlation(cross_validated(pairs, {"agreement"})) or 0.0)
    assert abs(np.mean(found)) < 0.2  # of the predictions themselves it is -.6
    constant = [pair(str(k), str(k), 0.5, k / 10) for k in range(10)]
    assert rank_correlation(cross_validated(constant, {"agreement"})) is None


@pytest.mark.parametrize("rows", [[], [judged(0.5, 0.1), judged(0.5, 0.9)], [judged(0.1, 0.5), judged(0.9, 0.5)]])
def test_what_does_not_vary_has_no_rank_correlation(rows):
    assert rank_correlation(rows) is None


def test_coverage_weighs_groups_alike():
    rows = [judged(0.5, dice, "a", 0.4, 0.6) for dice in (0.4, 0.6, 0.7, 0.39)] + [judged(0.5, 0.5, "b", 0.5, 0.5)]
    assert coverage(rows) == pytest.approx((0.5 + 1) / 2)
    assert coverage([]) is None
