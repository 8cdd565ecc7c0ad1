import numpy as np
import pytest

from medweave.synthesis.checks.exposure import Exposure, exposure, exposure_bounds


def halves(low: int, high: int) -> np.ndarray:
    image = np.full((8, 8, 3), low, np.uint8)
    image[:, 4:] = high
    return image


def test_contrast_and_clipped_share_by_hand():
    assert exposure(halves(100, 140)) == Exposure(20.0, 0.0)
    assert exposure(halves(0, 140)) == Exposure(70.0, 0.5)


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (halves(100, 140), None),
        (halves(100, 121), None),
        (halves(100, 119), "collapsed"),
        (halves(100, 103), "constant"),
        (halves(0, 255), "saturated"),
    ],
)
def test_faults_beside_real_images(image, fault):
    """The real images have deviations of 20 and 40 and no clipped pixels."""
    assert exposure_bounds([halves(100, 140), halves(80, 160)]).fault(image) == fault


def test_images_may_be_as_clipped_as_real_ones_and_a_tenth_more():
    bounds = exposure_bounds([halves(0, 140)])
    image = halves(0, 140)
    assert bounds.fault(image) is None
    image[:4, 4:] = 255
    assert bounds.fault(image) == "saturated"
