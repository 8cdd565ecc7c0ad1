import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf

from medweave.synthesis.checks.spread import frechet, frechet_distance, mean_distance


def test_distance_by_another_implementation():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(40, 5)), rng.normal(1, 2, (60, 5)) @ rng.normal(size=(5, 5))
    c1, c2 = (LedoitWolf().fit(part).covariance_ for part in (first, second))
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


def test_distance_of_moved_values_is_the_square_of_the_way():
    values = np.random.default_rng(1).normal(size=(50, 3))
    assert frechet_distance(values, values) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(values, values + np.array([3, 0, 4])) == pytest.approx(25)


def test_samples_of_the_same_distribution_are_as_far_as_halves_and_others_farther():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(80, 30)).astype(np.float32)
    same = frechet(real, rng.normal(size=(60, 30)).astype(np.float32), seed=0)
    moved = frechet(real, rng.normal(1.0, 1, (60, 30)).astype(np.float32), seed=0)
    narrow = frechet(real, rng.normal(0, 0.1, (60, 30)).astype(np.float32), seed=0)
    assert same.images == 40
    assert same.samples == pytest.approx(same.real, rel=0.5)
    assert moved.samples > 3 * moved.real95 and narrow.samples > 2 * narrow.real95
    assert same == frechet(real, np.random.default_rng(2).normal(size=(140, 30)).astype(np.float32)[80:], seed=0)


def test_samples_that_differ_where_real_images_do_not_vary_are_far():
    rng = np.random.default_rng(3)
    real, samples = (np.zeros((count, 30), np.float32) for count in (40, 40))
    real[:, :5], samples[:, :5] = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
    samples[:, 29] = 3
    found = frechet(real, samples, seed=0)
    assert found.samples == pytest.approx(3**2 + found.real, abs=1)


@pytest.mark.parametrize(("real", "samples"), [(7, 50), (50, 3), (0, 0)])
def test_too_few_images_give_no_distance(real, samples):
    assert frechet(np.ones((real, 4), np.float32), np.ones((samples, 4), np.float32), 0) is None


def test_mean_distance_by_hand():
    """Sides of a 3-4-5 triangle."""
    corners = np.array([[0, 0], [3, 0], [0, 4]], np.float32)
    assert mean_distance(corners, 0) == pytest.approx(4)
    assert mean_distance(corners[:1], 0) is None
