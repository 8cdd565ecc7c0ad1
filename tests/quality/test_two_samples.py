from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.quality.two_samples import compare, holm

small_samples = st.lists(st.integers(0, 4), min_size=2, max_size=4)


def delta(reference, values):
    """Cliff's delta by its definition."""
    return np.mean([np.sign(v - r) for v in values for r in reference])


def both_deltas(reference, values):
    middle = np.median([*reference, *values])
    return delta(reference, values), delta(np.abs(reference - middle), np.abs(values - middle))


def test_delta_counts_pairs():
    found = compare(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]), seed=0)
    assert found.effect == pytest.approx((6 - 1) / 9)
    assert found.spread == 0


def test_p_counts_the_ways_to_part_the_values_that_are_as_far_apart():
    """Of the 20 ways to part 1 to 6 by three, only 123 | 456 and 456 | 123 have a delta of 1."""
    assert compare(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), seed=0).p == pytest.approx(2 / 20)


def test_a_wider_sample_with_the_same_middle_shows_in_the_spread():
    found = compare(np.array([-1.0, -0.5, 0.5, 1.0]), np.array([-3.0, -2.0, 2.0, 3.0]), seed=0)
    assert (found.effect, found.spread, found.size) == (0, 1, 1)


@given(small_samples, small_samples)
@settings(max_examples=60, deadline=None)
def test_of_few_values_all_ways_to_part_them_are_counted(reference, values):
    reference, values = np.array(reference, float), np.array(values, float)
    found = compare(reference, values, seed=0)
    assert (found.effect, found.spread) == pytest.approx(both_deltas(reference, values))
    pooled = np.concatenate([reference, values])
    sizes = []
    for chosen in combinations(range(len(pooled)), len(values)):
        rest = [place for place in range(len(pooled)) if place not in chosen]
        sizes.append(max(map(abs, both_deltas(pooled[rest], pooled[list(chosen)]))))
    assert found.p == pytest.approx(np.mean(np.array(sizes) >= found.size - 1e-9))


def test_constant_samples_do_not_differ():
    found = compare(np.ones(25), np.ones(100), seed=0)
    assert (found.effect, found.spread, found.p) == (0, 0, 1)


def test_the_same_seed_gives_the_same_p():
    reference, values = np.random.default_rng(1).normal(size=(2, 30))
    assert compare(reference, values, 5, 199) == compare(reference, values, 5, 199)
    assert compare(reference, values, 5, 199).p != compare(reference, values, 6, 199).p


@pytest.mark.parametrize(
    ("draw", "lowest", "highest"),
    [
        (lambda rng, n: rng.lognormal(size=n), 0.02, 0.085),
        (lambda rng, n: rng.poisson(0.3, n).astype(float), 0.0, 0.085),
    ],
    ids=["skewed", "tied"],
)
def test_alarms_are_false_at_the_stated_rate_with_25_against_100(draw, lowest, highest):
    """400 trials at 5 %: 0.02 to 0.085 are three standard errors. Ties can only make alarms rarer."""
    rng = np.random.default_rng(7)
    alarms = [compare(draw(rng, 25), draw(rng, 100), seed, 199).p <= 0.05 for seed in range(400)]
    assert lowest <= np.mean(alarms) <= highest


def test_any_of_seven_related_features_alarms_falsely_at_most_at_the_stated_rate():
    """100 trials at 5 %: at most 11 are three standard errors above the rate."""
    rng = np.random.default_rng(8)
    mix = np.eye(7) + 0.5
    alarms = 0
    for trial in range(100):
        gold, weak = rng.normal(size=(25, 7)) @ mix, rng.normal(size=(100, 7)) @ mix
        p = holm([compare(gold[:, k], weak[:, k], trial, 199).p for k in range(7)])
        alarms += min(p) <= 0.05
    assert alarms <= 11


@pytest.mark.parametrize(("shift", "scale"), [(1.0, 1.0), (0.0, 2.5)], ids=["shifted", "wider"])
def test_a_real_difference_is_found_with_25_against_100(shift, scale):
    rng = np.random.default_rng(9)
    found = [compare(rng.normal(size=25), rng.normal(shift, scale, 100), seed, 999) for seed in range(60)]
    assert np.mean([7 * difference.p <= 0.05 and difference.size >= 0.33 for difference in found]) >= 0.85


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
