"""What the network of `crop` sees, and back onto the image."""

import numpy as np
import pytest

from medweave.labeling.crop.views import SIDE, onto_image, region_in, view


def gray(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_view_shows_the_box_and_half_of_it_on_every_side():
    seen = view(gray(60, 80), (20.0, 10.0, 40.0, 20.0))
    assert seen.window == (10, 5, 50, 25)
    assert seen.pixels.shape == (4, SIDE, SIDE)
    assert seen.pixels.dtype == np.float32
    assert seen.pixels[:3].mean(axis=(1, 2)) == pytest.approx(0, abs=1e-3)
    assert seen.pixels[:3].std(axis=(1, 2)) == pytest.approx(1, abs=1e-3)


def test_the_ellipse_of_the_box_is_in_the_view():
    prior = view(gray(60, 80), (20.0, 10.0, 40.0, 20.0)).pixels[3]
    # the box is columns and rows 24 to 72 of 96: from the centre of pixel 24 to the middle it is 23.5 of 24 half sides
    assert prior[47, 24] == pytest.approx(1 - np.hypot(23.5, 0.5) / 24, abs=1e-5)
    assert prior[24, 48] == pytest.approx(1 - np.hypot(23.5, 0.5) / 24, abs=1e-5)
    assert prior[48, 48] == prior.max() == pytest.approx(1 - np.hypot(0.5, 0.5) / 24, abs=1e-5)
    assert prior[0, 0] == -1


def test_a_box_between_pixels_keeps_its_place_in_the_view():
    low, high = (view(gray(60, 80), (x, 10.0, x + 20, 20.0)).pixels[3] for x in (20.2, 20.7))
    middles = [
        float((np.maximum(prior, 0).sum(axis=0) * np.arange(SIDE)).sum() / np.maximum(prior, 0).sum())
        for prior in (low, high)
    ]
    # the same window, 41 pixels wide: half a pixel is 96 / 41 / 2 of the view's
    assert middles[1] - middles[0] == pytest.approx(0.5 * 96 / 41, abs=0.02)


def test_regions_are_shares_of_pixels():
    region = np.zeros((200, 200), bool)
    region[50:146, 50:146] = True
    window = view(gray(200, 200), (50.0, 50.0, 146.0, 146.0)).window
    assert window == (2, 2, 194, 194)  # 192 pixels: each of the view's is 2 x 2 of the image's
    shares = region_in(window, region)
    assert shares.sum() == 48 * 48
    assert shares[24:72, 24:72].all()
    region[:] = False
    region[3, 4] = True
    assert region_in(window, region)[0, 1] == 0.25


def test_beyond_the_border_nothing_is_seen():
    image = gray(50, 50)
    seen = view(image, (0.0, 0.0, 32.0, 32.0))
    assert seen.window == (-16, -16, 48, 48)
    assert not seen.pixels[:3, :23].any()
    assert not seen.pixels[:3, :, :23].any()
    assert seen.pixels[:3, 25:, 25:].any()
    shares = region_in(seen.window, np.ones((50, 50), bool))
    assert shares[:23].sum() == 0
    assert shares[25:, 25:].all()


def test_a_region_comes_back_to_its_place():
    region = np.zeros((120, 90), bool)
    region[30:100, 0:40] = True
    window = view(gray(120, 90), (0.0, 30.0, 40.0, 100.0)).window
    (x0, y0, x1, y1), back = onto_image(region_in(window, region), window, region.shape)
    assert (x0, y0, x1, y1) == (0, 0, 60, 120)
    assert back.shape == (120, 60)
    assert np.count_nonzero((back > 0.5) != region[y0:y1, x0:x1]) <= 110  # no more than the contour's pixels


@pytest.mark.parametrize("box", [(10.0, 10.0, 10.5, 10.5), (0.0, 0.0, 300.0, 400.0), (299.5, 399.5, 300.0, 400.0)])
def test_tiny_and_huge_boxes_can_be_seen(box):
    seen = view(gray(400, 300), box)
    assert np.isfinite(seen.pixels).all()
