import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.quality.calibration import Calibration, fit_calibration, uncalibrated


def test_line_and_leave_one_out_residuals_by_hand():
    x, y = np.array([0.0, 0.2, 0.4, 0.6]), np.array([0.1, 0.3, 0.4, 0.8])
    fitted = fit_calibration(x, y, ["a", "b", "c", "d"])
    # least squares: means 0.3 and 0.4, Sxy = 0.22, Sxx = 0.2, slope 1.1, shrunk by 4 / (4 + 4)
    assert fitted.slope == pytest.approx(0.55)
    assert fitted.intercept == pytest.approx(0.4 - 0.55 * 0.3)
    # without a: means 0.4 and 0.5, Sxy = 0.1, Sxx = 0.08, slope 1.25 x 3 / 7; at 0: 0.5 - 0.4 x slope
    a = abs(0.1 - (0.5 - 0.4 * 1.25 * 3 / 7))
    # without b: means 1/3 and 13/30, Sxy = 31/150, Sxx = 14/75, slope 31/28 x 3 / 7; at 0.2
    b = abs(0.3 - (13 / 30 + (0.2 - 1 / 3) * 31 / 28 * 3 / 7))
    # without c: means 4/15 and 2/5, Sxy = 11/50, Sxx = 14/75, slope 33/28 x 3 / 7; at 0.4
    c = abs(0.4 - (0.4 + (0.4 - 4 / 15) * 33 / 28 * 3 / 7))
    # without d: means 0.2 and 4/15, Sxy = 0.06, Sxx = 0.08, slope 0.75 x 3 / 7; at 0.6
    d = abs(0.8 - (4 / 15 + 0.4 * 0.75 * 3 / 7))
    assert fitted.residuals == pytest.approx((a, b, c, d))


def test_a_group_is_left_out_as_a_whole():
    x, y = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.2, 0.4, 0.6, 0.8])
    fitted = fit_calibration(x, y, ["a", "a", "b", "b"])
    # the other group's line has slope 2 x 2 / 6 through its means
    assert fitted.fold_slopes == pytest.approx([2 / 3] * 4)
    assert fitted.residuals[0] == pytest.approx(abs(0.2 - max(0, 0.7 + (0.1 - 0.85) * 2 / 3)))


def test_interval_ends_are_ranks_by_hand():
    # ten folds with one line (0.5) and residuals 0.01 .. 0.10: rank ceil(0.9 x 11) = 10, the largest
    calibration = Calibration(0.5, 0.0, (0.5,) * 10, (0.0,) * 10, tuple(k / 100 for k in range(1, 11)))
    assert calibration.predict(0.3) == pytest.approx((0.5, 0.4, 0.6))
    # nineteen: rank 18 of 19, the second largest
    calibration = Calibration(0.5, 0.0, (0.5,) * 19, (0.0,) * 19, tuple(k / 100 for k in range(1, 20)))
    assert calibration.predict(0.3) == pytest.approx((0.5, 0.32, 0.68))


@pytest.mark.parametrize("groups", [list("abcdefgh"), ["one"] * 8])
def test_too_few_images_or_groups_promise_nothing(groups):
    x = np.linspace(0, 1, 8)
    dice, low, high = fit_calibration(x, x, groups).predict(0.5)
    assert (dice, low, high) == (pytest.approx(0.5), 0.0, 1.0)


def test_the_interval_covers_at_its_rate():
    rng = np.random.default_rng(7)
    covered, width = [], []
    for _ in range(300):
        x = rng.uniform(0.2, 1, 21)
        y = np.clip(0.2 + 0.7 * x + rng.normal(0, 0.08, 21), 0, 1)
        _, low, high = fit_calibration(x[:20], y[:20], [str(i) for i in range(20)]).predict(x[20])
        covered.append(low <= y[20] <= high)
        width.append(high - low)
    assert 0.86 <= np.mean(covered) <= 0.96
    assert np.mean(width) < 4.5 * 0.08  # the exact interval is 3.3 deviations wide


def test_the_interval_covers_new_groups():
    rng = np.random.default_rng(8)
    covered = []
    for _ in range(300):
        group = np.repeat(np.arange(13), 4)
        x = rng.uniform(0.2, 1, 52)
        y = 0.2 + 0.5 * x + rng.normal(0, 0.08, 13)[group] + rng.normal(0, 0.02, 52)
        _, low, high = fit_calibration(x[:48], y[:48], [str(g) for g in group[:48]]).predict(x[51])
        covered.append(low <= y[51] <= high)
    assert np.mean(covered) >= 0.84


numbers = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from("abcd")), min_size=1, max_size=15)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_predictions_are_monotone_and_in_order(triples):
    x, y, groups = zip(*triples, strict=True)
    calibration = fit_calibration(np.array(x), np.array(y), groups)
    predictions = [calibration.predict(a) for a in np.linspace(0, 1, 6)]
    assert all(0 <= low <= dice <= high <= 1 for dice, low, high in predictions)
    assert all(a <= b + 1e-12 for (a, *_), (b, *_) in itertools.pairwise(predictions))
    assert Calibration.from_json(calibration.to_json()) == calibration


def test_an_uncalibrated_labeler_shows_its_agreement_and_no_interval():
    assert uncalibrated().predict(0.7) == (0.7, None, None)
    assert Calibration.from_json(uncalibrated().to_json()) == uncalibrated()


def test_nothing_to_fit_on_is_an_error():
    with pytest.raises(ValueError, match="got 0, 0, 0"):
        fit_calibration(np.array([]), np.array([]), [])
    with pytest.raises(ValueError, match="got 2, 1, 2"):
        fit_calibration(np.ones(2), np.ones(1), ["a", "b"])
