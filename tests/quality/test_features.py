import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medweave.quality.features import (
    FEATURES,
    SHAPE_FEATURES,
    class_dice,
    mask_dice,
    perimeter,
    small_mask,
    small_view,
    view_features,
)


def disc(size: int, radius: float, center: tuple[float, float] | None = None) -> np.ndarray:
    y, x = np.mgrid[:size, :size] + 0.5
    cy, cx = center or (size / 2, size / 2)
    return ((y - cy) ** 2 + (x - cx) ** 2 <= radius**2).astype(np.uint8)


def plain(mask: np.ndarray, level: int = 100) -> np.ndarray:
    return np.full((*mask.shape, 3), level, np.uint8)


def described(image: np.ndarray, mask: np.ndarray, coarse: np.ndarray | None) -> dict[str, float]:
    return view_features(small_view(image, coarse), small_mask(mask))


def test_a_rectangle_by_hand():
    mask = np.zeros((40, 100), np.uint8)
    mask[10:20, 30:70] = 1
    features = described(plain(mask), mask, None)
    assert features["area_share"] == pytest.approx(0.1)
    assert features["components"] == 1
    assert (features["center_x"], features["center_y"]) == (pytest.approx(0.5), pytest.approx(0.375))
    assert features["border_contact"] == 0
    assert features["contrast"] == 0


def test_perimeter_of_a_square_by_hand():
    # 2 x 5 crossings by rows, 2 x 5 by columns, and 2 by each of the 9 diagonals of both directions
    assert perimeter(np.ones((5, 5), bool)) == pytest.approx(np.pi / 8 * (20 + 36 / np.sqrt(2)))


@pytest.mark.parametrize("radius", [10, 30.3, 60])
def test_perimeter_of_a_disc(radius):
    assert perimeter(disc(128, radius) > 0) == pytest.approx(2 * np.pi * radius, rel=0.02)


def test_compactness_tells_a_disc_from_a_bar_and_from_two_discs():
    bar = np.zeros((128, 128), np.uint8)
    bar[60:64, 4:124] = 1
    two = disc(128, 20, (30, 30)) | disc(128, 20, (90, 90))
    compactness = {
        name: described(plain(m), m, None)["compactness"]
        for name, m in {"disc": disc(128, 40), "bar": bar, "two": two}.items()
    }
    assert compactness["disc"] == pytest.approx(1, abs=0.03)
    assert compactness["two"] == pytest.approx(0.5, abs=0.02)  # twice the area, twice the perimeter
    assert compactness["bar"] < 0.15


def test_border_contact_by_hand():
    mask = np.zeros((10, 10), np.uint8)
    mask[:4, 2:8] = 1  # contour: the 4 x 6 block's 16 outer pixels; 6 lie on the border
    assert described(plain(mask), mask, None)["border_contact"] == pytest.approx(6 / 16)
    full = np.ones((10, 10), np.uint8)
    assert described(plain(full), full, None)["border_contact"] == 1


def test_contrast_by_hand():
    mask = disc(64, 12)
    image = np.where(mask[..., None] > 0, 180, 60).astype(np.uint8).repeat(3, axis=2)
    assert described(image, mask, None)["contrast"] == pytest.approx(120)  # both deviations are 0: over 0 + 0 + 1
    image[::2][mask[::2] > 0] = 160  # about half the inside: mean 170, deviation 10
    assert described(image, mask, None)["contrast"] == pytest.approx(110 / 11, rel=0.01)


def test_contrast_counts_the_deviation_around():
    mask = disc(64, 12)
    image = np.where(mask[..., None] > 0, 180, 60).astype(np.uint8).repeat(3, axis=2)
    image[::2][mask[::2] == 0] = 40  # about half the ring: mean 50, deviation 10
    assert described(image, mask, None)["contrast"] == pytest.approx(130 / 11, rel=0.01)


def test_contrast_looks_at_the_ring_only():
    mask = disc(128, 12)
    image = np.where(mask[..., None] > 0, 180, 60).astype(np.uint8).repeat(3, axis=2)
    image[:32] = 255  # farther away than the ring
    assert described(image, mask, None)["contrast"] == pytest.approx(120)


def test_components_count_every_class():
    mask = np.zeros((20, 20), np.uint8)
    mask[2:4, 2:4], mask[2:4, 4:6], mask[10:12, 10:12] = 1, 2, 2
    assert described(plain(mask), mask, None)["components"] == 3


def test_agreement_by_hand():
    mask = np.zeros((8, 8), np.uint8)
    mask[:4], mask[4:6] = 1, 2  # 32 and 16 pixels
    coarse = np.full((2, 8, 8), 0.1, np.float32)
    coarse[0, :2] = 0.9  # 16 of class 1's 32: Dice 32 / 48
    coarse[1, 4:6] = 0.9  # all of class 2: Dice 1
    features = described(plain(mask), mask, coarse)
    assert features["agreement"] == pytest.approx((2 / 3 + 1) / 2)
    assert features["margin"] == pytest.approx(0.8)
    mask[mask == 2] = 0
    coarse[1] = 0.1
    assert described(plain(mask), mask, coarse)["agreement"] == pytest.approx(2 / 3)  # class 2 is nowhere


def test_expected_dice_by_hand():
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 1  # 32 pixels
    coarse = np.zeros((2, 8, 8), np.float32)
    coarse[0, :4], coarse[0, 4:] = 0.8, 0.5
    # sum(pm) = 25.6, sum(p^2) = 0.64 x 32 + 0.25 x 32
    assert described(plain(mask), mask, coarse)["expected_dice"] == pytest.approx(51.2 / (28.48 + 32))
    coarse[1, 4:] = 0.9  # a class that only the coarse model sees
    assert described(plain(mask), mask, coarse)["expected_dice"] == pytest.approx(51.2 / (28.48 + 32) / 2)


def test_coarse_of_any_resolution_and_large_images():
    mask, small = disc(1024, 300), disc(64, 300 / 16)
    features = described(plain(mask), mask, small[None].astype(np.float32))
    assert features["agreement"] > 0.98
    assert features["area_share"] == pytest.approx(np.pi * 300**2 / 1024**2, rel=0.01)
    assert features["compactness"] == pytest.approx(1, abs=0.03)


def test_margin_is_measured_at_the_label():
    mask = disc(128, 12)
    coarse = np.full((1, 128, 128), 0.5, np.float32)
    coarse[0, :32] = 1  # sure, but elsewhere
    assert described(plain(mask), mask, coarse)["margin"] == 0
    assert described(plain(mask), mask, np.zeros((1, 4, 4), np.float32))["margin"] == 1


def test_an_empty_mask_has_the_documented_values():
    empty = np.zeros((30, 20), np.uint8)
    features = described(plain(empty), empty, np.full((1, 5, 5), 0.25, np.float32))
    assert features == {
        **dict.fromkeys(FEATURES, 0.0),
        "center_x": 0.5,
        "center_y": 0.5,
        "agreement": 1.0,
        "expected_dice": 1.0,
        "margin": 0.5,
    }
    sure = np.full((1, 5, 5), 0.75, np.float32)
    assert described(plain(empty), empty, sure)["agreement"] == 0
    assert described(plain(empty), empty, sure)["expected_dice"] == 0


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2)), st.integers(0, 9)
)
def test_features_are_finite_whatever_the_mask(mask, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*mask.shape, 3), np.uint8)
    features = described(image, mask, rng.random((2, 5, 4)))
    assert set(features) == {*FEATURES, "expected_dice"}
    assert np.isfinite(list(features.values())).all()
    assert all(0 <= features[name] <= 1 for name in features if name not in ("components", "contrast"))
    assert tuple(described(image, mask, None)) == SHAPE_FEATURES
    expected = sum(cv2.connectedComponents(np.uint8(mask == k))[0] - 1 for k in (1, 2))
    assert features["components"] == expected


def test_dice_by_hand():
    mask, truth = np.array([[1, 1, 2, 0]], np.uint8), np.array([[1, 0, 0, 0]], np.uint8)
    assert mask_dice(mask, truth, classes=2) == pytest.approx((2 / 3 + 0) / 2)
    assert mask_dice(mask, truth, classes=1) == pytest.approx(2 / 3)
    assert class_dice(np.zeros((2, 3, 3), bool), np.zeros((2, 3, 3), bool)) == 1
