import numpy as np
import torch

from medweave.labeling.averaging import average, joined, parted
from medweave.labeling.labelers import Made, NoMask


def label(*rows, score=None):
    return Made(np.array([rows], np.float32), score=score)


def test_the_average_is_the_mean_of_the_probabilities():
    made = average(label([1.0, 0.0], [0.6, 0.2], score=0.7), label([0.5, 0.5], [0.2, 0.9], score=0.1))
    np.testing.assert_allclose(made.probabilities, [[[0.75, 0.25], [0.4, 0.55]]], rtol=1e-6)
    np.testing.assert_array_equal(made.class_map(), [[1, 0], [0, 1]])
    assert made.probabilities.dtype == np.float32
    assert made.score == 0.7


def test_without_a_second_label_the_first_one_counts():
    made, missing = label([0.9, 0.0]), NoMask("no prompt")
    assert average(made, missing) is made
    assert average(missing, made) is missing


def test_an_average_that_is_sure_of_nothing_is_no_label():
    assert average(label([0.9, 0.0]), label([0.0, 0.9])) == NoMask(
        "the labeler and crop, averaged, are sure of nothing"
    )


def test_weights_that_were_joined_part_again():
    decoder, crop = {"mask_decoder.a": torch.tensor(1.0)}, {"stem.0.weight": torch.tensor(2.0)}
    assert parted(joined(decoder, crop)) == (decoder, crop)
    assert parted(joined({}, crop)) == ({}, crop)
    assert parted(decoder) == (decoder, {})
