import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medweave.quality import simulation
from medweave.quality.features import mask_dice
from medweave.quality.simulation import simulated_masks


def disc(radius=16.0, x=48.0, y=48.0, size=96):
    ys, xs = np.mgrid[:size, :size]
    return ((ys - y) ** 2 + (xs - x) ** 2 <= radius**2).astype(np.uint8)


def test_the_family_spans_good_and_bad_labels():
    blurred = ndimage.gaussian_filter(disc(12, 40).astype(float), 3)[None]
    masks = simulated_masks(disc(), blurred, [disc(8, 10, 10)], np.random.default_rng(0))
    dice = [mask_dice(mask, disc(), 1) for mask in masks]
    assert len(masks) == 3 + 2 + 8 + 8 + 1 + 1
    assert min(dice) < 0.1 and max(dice) > 0.85
    assert sum(0.3 < value < 0.8 for value in dice) >= 6
    assert all(mask.any() and mask.dtype == np.uint8 and mask.shape == (96, 96) for mask in masks)


def test_the_seed_decides():
    coarse = 0.9 * disc(12, 40)[None].astype(float)
    same = [simulated_masks(disc(), coarse, [], np.random.default_rng(3)) for _ in range(2)]
    assert all((a == b).all() for a, b in zip(*same, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2]))
def test_classes_stay_classes_and_nothing_is_empty(seed, present):
    rng = np.random.default_rng(seed)
    truth = np.zeros((20, 31), np.uint8)
    for value in range(1, present + 1):
        truth[5 * value : 5 * value + 4, 3 : rng.integers(4, 30)] = value
    masks = simulated_masks(truth, rng.random((2, 20, 31)) * rng.random(), [np.zeros_like(truth)], rng)
    assert all(mask.any() and mask.max() <= 2 and mask.shape == truth.shape for mask in masks)


def test_nothing_seen_and_nothing_there_gives_nothing():
    empty = np.zeros((16, 16), np.uint8)
    assert simulated_masks(empty, np.zeros((1, 16, 16)), [empty], np.random.default_rng(0)) == []


def test_moved_by_hand():
    square = np.zeros((20, 20), np.uint8)
    square[8:12, 8:12] = 1  # size 4: a shift of 1 is 4 pixels
    moved = simulation._moved(square, (1.0, -0.5), 1.0)
    assert moved.sum() == 16 and moved[6:10, 12:16].all()
    assert simulation._moved(disc(), (0.0, 0.0), 1.5).sum() == pytest.approx(2.25 * disc().sum(), rel=0.03)


def test_borders_shrink_grow_and_never_cover_another_class():
    size = np.sqrt(disc().sum())
    assert simulation._resized_border(disc(), 0.4).sum() == pytest.approx(np.pi * (16 + 0.2 * size) ** 2, rel=0.07)
    assert simulation._resized_border(disc(), -0.4).sum() == pytest.approx(np.pi * (16 - 0.2 * size) ** 2, rel=0.12)
    two = disc(10, 30)
    two[:, 42:60] = 2
    grown = simulation._resized_border(two, 0.3)
    assert (grown[two > 0] == two[two > 0]).all() and (grown == 1).sum() > (two == 1).sum()


def test_a_cut_leaves_one_side_and_an_ellipse_stays_near_its_box():
    for seed in range(10):
        part = simulation._cut(disc(), np.random.default_rng(seed))
        assert 0.1 < part.sum() / disc().sum() < 0.9 and not (part > disc()).any()
        oval = simulation._ellipses(disc(), np.random.default_rng(seed))
        assert mask_dice(oval, disc(), 1) > 0.7
        rough = simulation._rough(disc(), np.random.default_rng(seed))
        assert 0.6 < mask_dice(rough, disc(), 1) < 1
