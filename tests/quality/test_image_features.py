import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medweave.quality.image_features import IMAGE_FEATURES, image_features


def gray(levels):
    return np.repeat(np.asarray(levels, np.uint8)[:, :, None], 3, axis=2)


def test_a_flat_image_by_hand():
    assert image_features(gray(np.full((40, 90), 100))) == pytest.approx(
        {
            "side": 60.0,
            "aspect": 2.25,
            "brightness": 100.0,
            "contrast": 0.0,
            "noise": 0.0,
            "sharpness": 0.0,
            "saturation": 0.0,
        }
    )


def test_noise_is_the_standard_deviation_that_was_added():
    noisy = gray(np.random.default_rng(0).normal(128, 6, (300, 300)).round())
    assert image_features(noisy)["noise"] == pytest.approx(6, rel=0.05)


def test_contrast_of_two_levels_is_half_their_distance():
    halves = np.zeros((20, 20))
    halves[:, 10:] = 80
    found = image_features(gray(halves))
    assert (found["brightness"], found["contrast"]) == pytest.approx((40, 40))


def test_blur_takes_sharpness_and_colour_is_saturation():
    image = gray(np.random.default_rng(1).integers(0, 256, (64, 64)))
    blurred = cv2.GaussianBlur(image, (0, 0), 2)
    assert image_features(blurred)["sharpness"] < image_features(image)["sharpness"] - 1
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert image_features(red)["saturation"] == 200


def test_size_is_that_of_the_image_itself():
    found = image_features(gray(np.full((1000, 4000), 9)))
    assert (found["side"], found["aspect"]) == pytest.approx((2000, 4))


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_any_image_has_finite_features(image):
    found = image_features(image)
    assert tuple(found) == IMAGE_FEATURES
    assert all(np.isfinite(value) for value in found.values())
