import itertools
import math

import numpy as np
import pytest
from scipy import stats

from medweave.segmentation import bootstrap
from medweave.segmentation.bootstrap import Interval, bootstrap_mean, paired_difference


def test_interval_covers_the_truth_at_its_rate():
    """Groups differ by more than images within one do: an interval over images would be far too narrow."""
    rng = np.random.default_rng(20240607)
    covered, covered_by_images = 0, 0
    for _ in range(300):
        sizes = rng.integers(1, 5, 50)
        groups = np.repeat(np.arange(50), sizes)
        values = np.repeat(rng.normal(0.7, 0.1, 50), sizes) + rng.normal(0.0, 0.03, groups.size)
        interval = bootstrap_mean(values, groups.tolist(), 300, 1)
        covered += interval.low <= 0.7 <= interval.high
        interval = bootstrap_mean(values, list(range(values.size)), 300, 1)
        covered_by_images += interval.low <= 0.7 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98
    assert covered_by_images / 300 < 0.85


def test_agrees_with_scipy_where_each_image_is_its_own_group():
    values = np.random.default_rng(5).beta(6, 2, 80)
    ours = bootstrap_mean(values, [f"p{i}" for i in range(80)], 20_000, 0)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=3).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=1e-3)
    assert ours.high == pytest.approx(theirs.high, abs=1e-3)


def test_two_groups_by_hand():
    """Resamples of groups {1, 1, 1} and {5}: both the first 1/4, one of each 1/2 (mean 8/4), both the second 1/4."""
    interval = bootstrap_mean([1, 5, 1, 1], ["a", "b", "a", "a"], 4000, 0)
    assert interval == Interval(mean=2.0, low=1.0, high=5.0)


def test_four_unequal_groups_against_all_their_resamples():
    members = {"a": [1.0, 1.0, 2.0, 1.5, 1.0], "b": [7.0], "c": [4.0, 5.5], "d": [2.5, 9.0, 3.0]}
    everything = [np.mean([v for g in drawn for v in members[g]]) for drawn in itertools.product(members, repeat=4)]
    low, high = np.quantile(everything, [0.025, 0.975], method="inverted_cdf")
    values = [(v, g) for g, group in members.items() for v in group]
    interval = bootstrap_mean([v for v, _ in values], [g for _, g in values], 100_000, 0)
    assert interval.low == pytest.approx(low, abs=1e-9)
    assert interval.high == pytest.approx(high, abs=1e-9)


def test_groups_of_one_mean_leave_no_width():
    assert bootstrap_mean([0.25, 0.75, 0.25, 0.75], ["a", "a", "b", "b"], 100, 0) == Interval(0.5, 0.5, 0.5)


def test_unknown_values_and_groups_without_any_are_left_out():
    with_unknown = bootstrap_mean([0.5, np.nan, 0.9, np.nan, 0.1], ["a", "a", "b", "c", "d"], 500, 7)
    assert with_unknown == bootstrap_mean([0.5, 0.9, 0.1], ["a", "b", "d"], 500, 7)
    assert with_unknown.mean == pytest.approx(0.5)


def test_nothing_to_average_is_nan():
    for values, groups in (([], []), ([np.nan], ["a"])):
        interval = bootstrap_mean(values, groups, 100, 0)
        assert all(math.isnan(x) for x in (interval.mean, interval.low, interval.high))


def test_paired_difference_sees_what_the_pairing_shows():
    rng = np.random.default_rng(1)
    reference = rng.uniform(0.2, 0.9, 60)
    groups = [str(i // 2) for i in range(60)]
    interval = paired_difference(reference + 0.02 + rng.normal(0, 0.01, 60), reference, groups, 1000, 0)
    assert 0 < interval.low < interval.mean < interval.high < 0.04
    assert paired_difference(reference, reference, groups, 200, 0) == Interval(0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="groups"):
        paired_difference(reference, reference, groups[1:], 200, 0)


def test_seed_decides_and_chunks_do_not(monkeypatch):
    values, groups = np.arange(12.0), [i // 3 for i in range(12)]
    whole = bootstrap_mean(values, groups, 501, 3)
    assert bootstrap_mean(values, groups, 501, 3) == whole
    assert bootstrap_mean(values, [f"g{g}" for g in groups], 501, 3) == whole
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 40)
    assert bootstrap_mean(values, groups, 501, 3) == whole


def test_json_form():
    assert Interval(0.5, 0.25, 0.75).to_json() == {"mean": 0.5, "ci95": [0.25, 0.75]}
