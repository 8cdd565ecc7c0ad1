"""Shapes of masks by hand, and that changes keep what they must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.synthesis.shapes import Shape, bounds_of, mix, move, shape_of


def rectangle(top, left, bottom, right, size=20, value=1):
    mask = np.zeros((size, size), np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def test_the_shape_of_two_rectangles():
    mask = rectangle(0, 0, 2, 4) | rectangle(10, 10, 12, 14)
    shape = shape_of(mask == 1)
    assert shape.area == 16 / 400
    assert shape.components == 2
    assert shape.centre == pytest.approx((6 / 20, 7 / 20))


def test_no_foreground_has_no_centre():
    assert shape_of(np.zeros((5, 5), bool)) == Shape(0.0, 0, None)


def test_bounds_hold_what_they_were_taken_from_and_nothing_larger_more_or_elsewhere():
    bounds = bounds_of([rectangle(5, 5, 9, 9), rectangle(6, 6, 12, 12)], 1)
    assert bounds.areas == ((16 / 400, 36 / 400),)
    assert bounds.components == ((1, 1),)
    assert bounds.centres == (((7 / 20, 9 / 20), (7 / 20, 9 / 20)),)
    assert bounds.hold(rectangle(5, 5, 9, 9)) and bounds.hold(rectangle(6, 6, 12, 12))
    assert bounds.hold(rectangle(6, 6, 11, 11))
    assert not bounds.hold(rectangle(4, 4, 12, 12))
    assert not bounds.hold(rectangle(5, 5, 9, 9) | rectangle(10, 10, 11, 11))
    assert not bounds.hold(rectangle(14, 14, 18, 18))
    assert not bounds.hold(np.zeros((20, 20), np.uint8))


def test_a_class_that_gold_lacks_is_out_of_bounds():
    bounds = bounds_of([rectangle(5, 5, 9, 9)], 2)
    assert not bounds.hold(rectangle(5, 5, 9, 9) + rectangle(12, 12, 14, 14, value=2))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), flip=st.booleans())
def test_a_moved_mask_is_near_what_it_was(seed, flip):
    mask = rectangle(10, 10, 22, 22, size=32) + rectangle(13, 13, 17, 17, size=32)
    moved = move(mask, flip, np.random.default_rng(seed))
    assert moved.shape == mask.shape and moved.dtype == np.uint8
    assert set(np.unique(moved)) <= {0, 1, 2}
    before, after = shape_of(mask > 0), shape_of(moved > 0)
    assert 0.4 < after.area / before.area < 2.2
    assert np.abs(np.subtract(before.centre, after.centre)).max() < 0.2


def test_without_flips_what_is_left_stays_left():
    mask = rectangle(10, 2, 20, 8, size=32)
    sides = [shape_of(move(mask, False, np.random.default_rng(k)) > 0).centre[1] for k in range(20)]
    assert max(sides) < 0.5
    flipped = [shape_of(move(mask, True, np.random.default_rng(k)) > 0).centre[1] for k in range(20)]
    assert 4 <= sum(side > 0.5 for side in flipped) <= 16


def test_mixing_adds_one_component_where_there_is_background():
    mask, other = rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6, value=2) | rectangle(15, 15, 18, 18, value=2)
    results = {mix(mask, other, np.random.default_rng(k)).tobytes() for k in range(10)}
    near = np.where(mask > 0, mask, rectangle(2, 2, 6, 6, value=2))
    far = mask + rectangle(15, 15, 18, 18, value=2)
    assert results == {near.tobytes(), far.tobytes()}


def test_mixing_with_an_empty_mask_changes_nothing():
    mask = rectangle(0, 0, 4, 4)
    assert (mix(mask, np.zeros_like(mask), np.random.default_rng(0)) == mask).all()
