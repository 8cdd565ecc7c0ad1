import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from medweave.quality.cleanup import clean_mask


def drawn(*rows: str) -> np.ndarray:
    return np.array([[int(c) for c in row.replace(".", "0")] for row in rows], np.uint8)


def test_holes_are_filled_but_bays_are_not():
    mask = drawn("11111..", "1...1..", "1.1.1..", "11111..", ".......", "111....", "1.1....")
    expected = drawn("11111..", "11111..", "11111..", "11111..", ".......", "111....", "1.1....")
    assert clean_mask(mask, 0.0).tolist() == expected.tolist()


def test_a_hole_closed_by_diagonal_neighbours_is_filled():
    assert clean_mask(drawn(".1.", "1.1", ".1."), 0.0).tolist() == drawn(".1.", "111", ".1.").tolist()


def test_components_below_the_share_of_the_largest_go():
    mask = drawn("1111..1", "1111...", "......1", "11....1")  # areas 8, 1, 2, 2
    assert clean_mask(mask, 0.25).tolist() == drawn("1111...", "1111...", "......1", "11....1").tolist()
    assert clean_mask(mask, 0.26).tolist() == drawn("1111...", "1111...", ".......", ".......").tolist()


def test_only_the_largest_components_stay():
    mask = drawn("11.111.1")
    assert clean_mask(mask, 0.0, max_components=(2,)).tolist() == drawn("11.111..").tolist()
    assert clean_mask(mask, 0.0, max_components=None).tolist() == mask.tolist()


def test_diagonal_neighbours_are_one_component():
    mask = drawn("1..", ".1.", "..1")
    assert clean_mask(mask, 1.0, max_components=(1,)).tolist() == mask.tolist()


def test_a_class_inside_another_is_no_hole():
    mask = drawn("1111", "12.1", "1111")
    assert clean_mask(mask, 0.0).tolist() == drawn("1111", "1211", "1111").tolist()


def test_components_are_compared_within_their_class():
    mask = drawn("1111.1.", "....2..", "1111.22")  # class 1: 4, 4, 1; class 2: 3
    assert clean_mask(mask, 0.5).tolist() == drawn("1111...", "....2..", "1111.22").tolist()


def test_what_a_dropped_speck_leaves_inside_another_class_is_that_class():
    mask = drawn("2222.", "21.2.", "22221", "...11")
    assert clean_mask(mask, 0.9).tolist() == drawn("2222.", "2222.", "22221", "...11").tolist()


def test_specks_of_two_classes_in_a_third_leave_no_hole():
    mask = drawn("33333..", "31233..", "3333311", "..22211")
    assert clean_mask(mask, 0.9).tolist() == drawn("33333..", "33333..", "3333311", "..22211").tolist()


def test_a_speck_between_two_classes_or_on_the_background_leaves_background():
    mask = drawn("22333", "21.33", "22333", "...1.", "11111")
    assert clean_mask(mask, 0.5).tolist() == drawn("22333", "2..33", "22333", "...1.", "11111").tolist()
    mask = drawn("2221.", "2222.", "1..11", "...11")
    assert clean_mask(mask, 0.5).tolist() == drawn("222..", "2222.", "...11", "...11").tolist()


def test_a_dropped_speck_is_of_the_class_nearest_around_it():
    mask = drawn("3333333", "3222223", "3221223", "3222223", "3333333", ".......", "1111...")
    without = drawn("3333333", "3222223", "3222223", "3222223", "3333333", ".......", "1111...")
    assert clean_mask(mask, 0.5).tolist() == without.tolist()


def test_each_class_keeps_as_many_components_as_it_may():
    mask = drawn("1.1.1.2.2.2")
    assert clean_mask(mask, 0.0, (3, 1)).tolist() == drawn("1.1.1.2....").tolist()
    assert clean_mask(mask, 0.0, (1, 2)).tolist() == drawn("1.....2.2..").tolist()


def test_an_empty_mask_stays_empty():
    cleaned = clean_mask(np.zeros((4, 5), np.uint8), 0.5, (1,))
    assert cleaned.shape == (4, 5) and cleaned.dtype == np.uint8 and not cleaned.any()


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (8, 9), elements=st.integers(0, 2)), st.floats(0, 1))
def test_cleaning_swaps_classes_only_where_it_drops_and_leaves_no_class_out(mask, share):
    before = mask.copy()
    cleaned = clean_mask(mask, share)
    assert (mask == before).all()
    assert set(np.unique(cleaned)) - {0} == set(np.unique(mask)) - {0}
    for value in (1, 2):
        components, count = ndimage.label(mask == value, np.ones((3, 3)))
        for component in range(1, count + 1):
            kept = cleaned[components == component] == value
            assert kept.all() or not kept.any()


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (8, 9), elements=st.integers(0, 1)), st.floats(0, 1))
def test_of_one_class_no_more_than_specks_are_dropped(mask, share):
    filled = ndimage.binary_fill_holes(mask)
    components, count = ndimage.label(filled, np.ones((3, 3)))
    areas = np.bincount(components.ravel())
    kept = [k for k in range(1, count + 1) if areas[k] >= share * areas[1:].max()]
    assert (clean_mask(mask, share) > 0).tolist() == np.isin(components, kept).tolist()


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (7, 8), elements=st.integers(0, 1)))
def test_holes_are_those_of_scipy(mask):
    assert (clean_mask(mask, 0.0) > 0).tolist() == ndimage.binary_fill_holes(mask).tolist()
