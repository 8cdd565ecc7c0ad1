import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.quality.calibration import Calibration, Line, Pair, fit_calibration, folds_of, uncalibrated

KNOWN = {"agreement", "flip_agreement", "score"}


def pairs_of(x, y, groups):
    return [
        Pair(f"{group}-{k}", str(group), {"agreement": float(a)}, float(dice))
        for k, (a, dice, group) in enumerate(zip(x, y, groups, strict=True))
    ]


def at(agreement, **others):
    return {"agreement": agreement, **others}


def test_line_and_leave_one_out_errors_by_hand():
    fitted = fit_calibration(pairs_of([0.0, 0.2, 0.4, 0.6], [0.1, 0.3, 0.4, 0.8], "abcd"), KNOWN)
    # least squares: means 0.3 and 0.4, Sxy = 0.22, Sxx = 0.2, slope 1.1, shrunk by 4 / (4 + 4)
    assert fitted.predict(at(0.0))[0] == pytest.approx(0.4 - 0.55 * 0.3)
    assert fitted.predict(at(0.8))[0] == pytest.approx(0.4 + 0.55 * 0.5)
    # without a: means 0.4 and 0.5, Sxy = 0.1, Sxx = 0.08, slope 1.25 x 3 / 7; at 0: 0.5 - 0.4 x slope
    a = 0.5 - 0.4 * 1.25 * 3 / 7
    # without b: means 1/3 and 13/30, Sxy = 31/150, Sxx = 14/75, slope 31/28 x 3 / 7; at 0.2
    b = 13 / 30 + (0.2 - 1 / 3) * 31 / 28 * 3 / 7
    # without c: means 4/15 and 2/5, Sxy = 11/50, Sxx = 14/75, slope 33/28 x 3 / 7; at 0.4
    c = 0.4 + (0.4 - 4 / 15) * 33 / 28 * 3 / 7
    # without d: means 0.2 and 4/15, Sxy = 0.06, Sxx = 0.08, slope 0.75 x 3 / 7; at 0.6
    d = 4 / 15 + 0.4 * 0.75 * 3 / 7
    errors = [abs(dice - found) / (1.1 - found) for dice, found in zip([0.1, 0.3, 0.4, 0.8], [a, b, c, d], strict=True)]
    assert fitted.residuals == pytest.approx(errors)


def test_a_group_is_left_out_as_a_whole_and_weighs_like_any_other():
    fitted = fit_calibration(pairs_of([0.1, 0.3, 0.8], [0.2, 0.4, 0.9], "aab"), KNOWN)
    # without a: b alone, a flat line at 0.9; without b: a's line has slope 1 x 1 / 5 through (0.2, 0.3)
    assert fitted.residuals == pytest.approx((0.7 / 0.2, 0.5 / 0.2, (0.9 - 0.42) / (1.1 - 0.42)))
    # groups weigh the same: means (0.1 + 0.3 + 2 x 0.8) / 4 = 0.5 and 0.6,
    # Sxy = (0.4 x 0.4 + 0.2 x 0.2) / 2 + 0.3 x 0.3 = 0.19, Sxx = (0.16 + 0.04) / 2 + 0.09 = 0.19, slope 1 x 2 / 6
    assert fitted.predict(at(0.8))[0] == pytest.approx(0.6 + 0.3 / 3)
    assert fitted.weights == pytest.approx((1 / 6, 1 / 6, 1 / 3))


def test_trust_is_the_mean_standard_score_and_what_is_missing_counts_nothing():
    rows = [(0.2, 1.0, 0.1), (0.4, 3.0, 0.3), (0.6, 5.0, 0.5)]
    pairs = [Pair(str(k), str(k), at(a, score=s), dice) for k, (a, s, dice) in enumerate(rows)]
    fitted = fit_calibration(pairs, KNOWN)
    assert fitted.features == ("agreement", "score")
    # both deviate by -1, 0, 1 x sqrt(3/2); slope 0.2 / sqrt(3/2), shrunk by 3/7
    slope = 0.2 * 3 / 7
    assert fitted.predict(at(0.6, score=5.0))[0] == pytest.approx(0.3 + slope)
    assert fitted.predict(at(0.6, score=1.0))[0] == pytest.approx(0.3)
    for missing in (at(0.6), at(0.6, score=math.nan)):
        assert fitted.predict(missing)[0] == pytest.approx(0.3 + slope / 2)


def test_a_feature_is_used_where_both_sides_have_it():
    features = at(0.5, flip_agreement=0.5)
    pairs = [Pair(k, k, {**features, "score": 0.1} if k == "a" else features, 0.5) for k in "abc"]
    assert fit_calibration(pairs, KNOWN).features == ("agreement", "flip_agreement")  # one in three has a score
    assert fit_calibration(pairs, {"agreement", "score"}).features == ("agreement",)
    assert fit_calibration(pairs, {"area_share"}).predict(at(0.9))[0] == pytest.approx(0.5)  # the mean is left


def flat(count, group_size=1, level=0.5):
    """Folds with one line (the level), errors 0.01, 0.02, ... of its spread; every pair, or two in a row, a group."""
    line = Line(np.zeros(1), np.ones(1), level, 0.0)
    groups = count // group_size
    weights = np.full(count, 1 / (group_size * (groups + 1)))
    residuals = np.arange(1, count + 1) / 100
    return Calibration(("agreement",), line, (line,) * groups, np.arange(count) // group_size, residuals, weights)


def test_interval_ends_are_ranks_by_hand():
    # rank ceil(0.9 x 11) = 10 of 10, the largest; 18 of 19, the second largest; times 1.1 - 0.5
    assert flat(10).predict(at(0.3)) == pytest.approx((0.5, 0.5 - 0.06, 0.5 + 0.06))
    assert flat(19).predict(at(0.3)) == pytest.approx((0.5, 0.5 - 0.108, 0.5 + 0.108))
    assert flat(8).predict(at(0.3)) == (0.5, 0, 1)


def test_the_interval_is_narrower_where_more_is_predicted():
    # the same relative errors, of which the largest is 0.1; times 1.1 - 0.9
    assert flat(10, level=0.9).predict(at(0.3)) == pytest.approx((0.9, 0.88, 0.92))


def test_interval_ends_count_groups_not_labels():
    # ten groups of two: each label weighs 1/22, and 20/22 suffices from the 20th on (19/22 < 0.9): the largest
    assert flat(20, 2).predict(at(0.3)) == pytest.approx((0.5, 0.5 - 0.12, 0.5 + 0.12))
    # eight groups of two can promise 16/18 at most
    assert flat(16, 2).predict(at(0.3)) == (0.5, 0, 1)


def test_of_many_groups_several_share_a_fold():
    pairs = pairs_of(np.zeros(60), np.zeros(60), [f"{k:02}" for k in range(60)])
    assert folds_of(pairs).tolist() == [k % 25 for k in range(60)]
    assert len(fit_calibration(pairs, KNOWN).folds) == 25


def test_the_interval_covers_at_its_rate():
    rng = np.random.default_rng(7)
    covered, width = [], []
    for _ in range(300):
        x = rng.uniform(0.2, 1, 21)
        y = np.clip(0.2 + 0.7 * x + rng.normal(0, 0.08, 21), 0, 1)
        _, low, high = fit_calibration(pairs_of(x[:20], y[:20], range(20)), KNOWN).predict(at(x[20]))
        covered.append(low <= y[20] <= high)
        width.append(high - low)
    assert 0.86 <= np.mean(covered) <= 0.96
    assert np.mean(width) < 5 * 0.08  # the exact interval is 3.3 deviations wide


def test_the_interval_covers_good_and_bad_labels_alike_where_errors_are_as_large_as_what_is_left_to_one():
    rng = np.random.default_rng(9)
    covered, width, good = [], [], []
    for _ in range(400):
        x = rng.uniform(0.2, 1, 26)
        mean = 0.1 + 0.8 * x
        y = np.clip(mean + rng.normal(0, 0.15, 26) * (1.1 - mean), 0, 1)
        _, low, high = fit_calibration(pairs_of(x[:25], y[:25], range(25)), KNOWN).predict(at(x[25]))
        covered.append(low <= y[25] <= high)
        width.append(high - low)
        good.append(x[25] > 0.6)
    covered, width, good = np.array(covered), np.array(width), np.array(good)
    assert 0.86 <= covered[good].mean() <= 0.98
    assert 0.86 <= covered[~good].mean() <= 0.98
    assert width[good].mean() < 0.65 * width[~good].mean()


def test_the_interval_covers_new_groups_of_many_labels():
    rng = np.random.default_rng(8)
    covered = []
    for _ in range(200):
        group = np.repeat(np.arange(21), 6)
        x = rng.uniform(0.2, 1, 126)
        y = 0.2 + 0.5 * x + rng.normal(0, 0.08, 21)[group] + rng.normal(0, 0.02, 126)
        _, low, high = fit_calibration(pairs_of(x[:120], y[:120], group[:120]), KNOWN).predict(at(x[125]))
        covered.append(low <= y[125] <= high)
    assert 0.86 <= np.mean(covered) <= 0.98


numbers = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from("abcd")), min_size=1, max_size=15)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_predictions_are_monotone_and_in_order(triples):
    calibration = fit_calibration(pairs_of(*zip(*triples, strict=True)), KNOWN)
    predictions = [calibration.predict(at(a)) for a in np.linspace(0, 1, 6)]
    if len({group for *_, group in triples}) > 1:
        assert all(0 <= low <= dice <= high <= 1 for dice, low, high in predictions)
    assert all(a <= b + 1e-12 for (a, *_), (b, *_) in itertools.pairwise(predictions))


@pytest.mark.parametrize("pairs", [[], pairs_of([0.1, 0.9], [0.2, 0.8], "aa")])
def test_without_two_groups_the_agreement_stands_and_promises_nothing(pairs):
    assert fit_calibration(pairs, KNOWN).predict(at(0.7)) == (0.7, None, None)
    assert uncalibrated().predict(at(0.7)) == (0.7, None, None)


@pytest.mark.parametrize("features", [{}, at(math.nan)])
def test_without_agreement_nothing_is_predicted(features):
    assert fit_calibration(pairs_of([0.1, 0.9], [0.2, 0.8], "ab"), KNOWN).predict(features) == (None, None, None)
    assert uncalibrated().predict(features) == (None, None, None)


def test_labels_of_one_dice_and_one_agreement_predict_it():
    fitted = fit_calibration(pairs_of([0.9] * 12, [0.4] * 12, range(12)), KNOWN)
    assert fitted.predict(at(0.1)) == pytest.approx((0.4, 0.4, 0.4))
