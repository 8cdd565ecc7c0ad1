import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.labeling.sam.frames import MIN_DEVIATION, Frame, cut, window_around


def test_the_window_is_twice_the_longer_side_about_the_middle():
    assert window_around([(100, 120, 140, 150)], (300, 400)) == (80, 95, 160, 175)


def test_alternatives_share_the_window_of_their_union():
    assert window_around([(100, 120, 130, 150), (110, 130, 140, 140)], (300, 400)) == (80, 95, 160, 175)


def test_a_small_object_still_gets_a_window_of_some_size():
    assert window_around([(50, 60, 54, 62)], (300, 400)) == (36, 45, 68, 77)


def test_the_window_is_shifted_into_the_image():
    assert window_around([(0, 280, 40, 300)], (300, 400)) == (0, 220, 80, 300)


def test_no_window_is_larger_than_the_longer_side():
    assert window_around([(10, 10, 390, 290)], (300, 400)) == (0, -50, 400, 350)


def test_without_boxes_it_is_the_whole_image_squared():
    assert window_around([], (300, 400)) == (0, -50, 400, 350)
    assert window_around([], (40, 20)) == (-10, 0, 30, 40)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_any_window_is_square_and_covers_as_much_as_it_can(height, width, shares):
    x0, x1 = sorted([shares[0] * width, shares[1] * width])
    y0, y1 = sorted([shares[2] * height, shares[3] * height])
    left, top, right, bottom = window_around([(x0, y0, x1, y1)], (height, width))
    side = right - left
    assert side == bottom - top and 1 <= side <= max(height, width)
    assert min(right, width) - max(left, 0) == min(side, width)
    assert min(bottom, height) - max(top, 0) == min(side, height)
    assert left <= x0 + 1 and right >= x1 - 1 and top <= y0 + 1 and bottom >= y1 - 1


def test_frames_scale():
    assert Frame((10, 20, 30, 60), (64, 128)).scale == (6.4, 1.6)


def test_a_cut_is_standardised_over_real_pixels_only():
    image = np.random.default_rng(0).integers(0, 256, (20, 64, 3), np.uint8)
    pixels, valid = cut(image, (0, -22, 64, 42), 64)
    assert pixels.shape == (3, 64, 64) and pixels.dtype == np.float32 and valid.dtype == bool
    assert valid[22:42].all() and valid.sum() == 20 * 64
    expected = (image - image.mean((0, 1))) / image.std((0, 1))
    np.testing.assert_allclose(pixels[:, 22:42], expected.transpose(2, 0, 1), atol=1e-4)
    assert (pixels[:, ~valid] == 0).all()


def test_no_contrast_is_not_stretched():
    image = np.full((40, 40, 3), 90, np.uint8)
    image[::2] = 92
    pixels, _ = cut(image, (0, 0, 40, 40), 40)
    np.testing.assert_allclose(np.unique(pixels), [-1 / MIN_DEVIATION, 1 / MIN_DEVIATION], rtol=1e-5)


def test_channels_of_a_gray_image_are_equal():
    gray = np.random.default_rng(1).integers(0, 256, (50, 70), np.uint8)
    pixels, _ = cut(np.repeat(gray[..., None], 3, axis=2), (5, 5, 45, 45), 64)
    assert (pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all()


@pytest.mark.parametrize(("extent", "scaling"), [(90, cv2.INTER_AREA), (20, cv2.INTER_LINEAR)])
def test_shrinks_by_area_and_grows_bilinearly(extent, scaling):
    image = np.random.default_rng(2).integers(0, 256, (100, 100, 3), np.uint8)
    pixels, _ = cut(image, (3, 4, 3 + extent, 4 + extent), 45)
    part = cv2.resize(image[4 : 4 + extent, 3 : 3 + extent].astype(np.float32), (45, 45), interpolation=scaling)
    expected = (part - part.mean((0, 1))) / part.std((0, 1))
    np.testing.assert_allclose(pixels, expected.transpose(2, 0, 1), atol=1e-4)
