"""From probabilities to class maps, worked out by hand."""

import numpy as np

from medweave.segmentation.postprocessing import class_map, most_components


def test_the_likeliest_class_wins_and_background_where_that_is_likelier():
    probabilities = np.array([[[0.6, 0.3, 0.2]], [[0.1, 0.4, 0.2]]], np.float32)  # background .3, .3, .6
    np.testing.assert_array_equal(class_map(probabilities, 1, 3), [[1, 2, 0]])


def test_the_weightiest_components_stay_not_the_largest():
    probability = np.array([[0.6, 0.6, 0.6, 0.0, 0.95, 0.95, 0.0, 0.9]], np.float32)  # sums 1.8, 1.9, 0.9
    np.testing.assert_array_equal(class_map(probability[None], 1, 8, (1,)), [[0, 0, 0, 0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(class_map(probability[None], 1, 8, (2,)), [[1, 1, 1, 0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(class_map(probability[None], 1, 8, (3,)), [[1, 1, 1, 0, 1, 1, 0, 1]])


def test_each_class_has_its_own_limit():
    probabilities = np.zeros((2, 1, 7), np.float32)
    probabilities[0, 0, [0, 2]] = 0.9
    probabilities[1, 0, [4, 6]] = 0.9
    np.testing.assert_array_equal(class_map(probabilities, 1, 7, (1, 2)), [[1, 0, 0, 0, 2, 0, 2]])


def test_masks_come_at_the_asked_size():
    assert class_map(np.ones((1, 4, 4), np.float32), 9, 5, (1,)).tolist() == [[1] * 5] * 9


def test_components_are_counted_by_class_without_specks():
    mask = np.zeros((100, 100), np.uint8)
    mask[:10, :10] = mask[50:60, :10] = 1
    mask[80:90, 80:90] = 2
    mask[99, 99] = 1  # a speck: 1 of 10000 pixels, below 0.1 %
    assert most_components([mask, np.zeros((100, 100), np.uint8)], 2) == (2, 1)
    assert most_components([], 1) == (1,)
