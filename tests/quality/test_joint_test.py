from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medweave.quality.joint_test import compare_columns

integers = st.integers(0, 3).map(float)


@given(arrays(float, (5, 2), elements=integers), arrays(float, (4, 2), elements=integers))
@settings(max_examples=30)
def test_effects_are_those_of_each_column_alone(reference, values):
    found = compare_columns(reference, values, seed=0, resamples=9)
    for one, a, b in zip(found, reference.T, values.T, strict=True):
        middle = np.median([*a, *b])
        pairs = (a, b), (np.abs(a - middle), np.abs(b - middle))
        assert (one.effect, one.spread) == pytest.approx([np.sign(y[:, None] - x).mean() for x, y in pairs])


@given(arrays(float, (12, 3), elements=st.floats(-5, 5, width=32)), st.integers(0, 99))
@settings(max_examples=30)
def test_adjusted_p_is_a_probability_and_never_below_that_of_the_column_alone(values, seed):
    together = compare_columns(values[:6], values[6:], seed, resamples=99)
    for k, one in enumerate(together):
        (alone,) = compare_columns(values[:6, k : k + 1], values[6:, k : k + 1], seed, resamples=99)
        assert alone.p <= one.p <= 1


def test_p_of_one_column_counts_the_permutations_that_reach_it():
    """Of the 252 ways to part 1 to 10 by five, two have a delta of +-1, and no other column or statistic reaches it."""
    values = np.arange(10.0)[:, None]
    (found,) = compare_columns(values[:5], values[5:], seed=0, resamples=20000)
    assert found.effect == 1
    assert found.p == pytest.approx(2 / 252, abs=0.002)


def test_step_down_maxt_by_enumeration():
    """All 70 partings of 4 + 4 rows, standardised by hand, against many random ones."""
    rows = np.random.default_rng(5).normal(size=(8, 2))
    rows[4:, 0] += 3

    def deltas(members):
        rest = [k for k in range(8) if k not in members]
        middle = np.median(rows, axis=0)
        both = np.concatenate([rows, np.abs(rows - middle)], axis=1)
        return np.array([np.mean(np.sign(c[members][:, None] - c[rest])) for c in both.T])

    every = np.array([deltas(list(members)) for members in combinations(range(8), 4)])
    sd = np.sqrt((every**2).mean(axis=0))
    largest = np.abs(every / sd).reshape(-1, 2, 2).max(axis=1)
    observed = np.abs(deltas([4, 5, 6, 7]) / sd).reshape(2, 2).max(axis=0)
    first, second = np.argsort(-observed)
    p_first = np.mean(largest.max(axis=1) >= observed[first] - 1e-9)
    p_second = max(p_first, np.mean(largest[:, second] >= observed[second] - 1e-9))
    found = compare_columns(rows[:4], rows[4:], seed=0, resamples=20000)
    assert [found[first].p, found[second].p] == pytest.approx([p_first, p_second], abs=0.015)


def test_the_effect_of_a_yes_or_no_is_the_difference_of_rates():
    reference, values = np.repeat([0.0, 1.0], [8, 2])[:, None], np.repeat([0.0, 1.0], [5, 5])[:, None]
    assert compare_columns(reference, values, seed=0, resamples=9)[0].effect == pytest.approx(0.5 - 0.2)


def test_unknown_values_are_left_out_and_constant_columns_do_not_differ():
    reference = np.array([[1.0, 7.0, np.nan], [2.0, 7.0, np.nan], [np.nan, 7.0, np.nan], [3.0, 7.0, np.nan]])
    values = np.array([[2.0, 7.0, 1.0], [np.nan, 7.0, 2.0], [4.0, 7.0, 3.0]])
    first, constant, unknown = compare_columns(reference, values, seed=0, resamples=99)
    assert first.effect == pytest.approx((4 - 1) / 6)
    assert (constant.effect, constant.p) == (0, 1) and (unknown.effect, unknown.p) == (0, 1)


def test_any_of_ten_related_columns_alarms_falsely_at_the_stated_rate():
    """120 trials at 5 %: at most 13 are three standard errors above the rate."""
    rng = np.random.default_rng(8)
    mix = np.eye(10) + 0.3
    alarms = 0
    for trial in range(120):
        found = compare_columns(rng.normal(size=(60, 10)) @ mix, rng.normal(size=(40, 10)) @ mix, trial, 199)
        alarms += min(one.p for one in found) <= 0.05
    assert 1 <= alarms <= 13


def test_alarms_are_false_at_the_stated_rate_where_only_some_of_the_reference_is_labelled():
    """12 of 100 reference rows against 400 of 400 are known; 150 trials at 5 %: at most 16 are three errors above."""
    rng = np.random.default_rng(4)
    alarms = 0
    for trial in range(150):
        reference, values = rng.normal(size=(100, 2)), rng.normal(size=(400, 2))
        reference[12:, 1] = np.nan
        alarms += compare_columns(reference, values, trial, 199)[1].p <= 0.05
    assert alarms <= 16
