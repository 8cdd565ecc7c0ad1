import numpy as np
import pytest

from medweave.synthesis.checks import mask_agreement


def test_dice_by_hand():
    """Columns 0-1 against 1-2 of four: half of each is shared."""
    first, second = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    first[:, :2], second[:, 1:3] = 1, 1
    assert mask_agreement(first, second) == 0.5
    first[:, 3] = 2
    assert mask_agreement(first, second) == pytest.approx(0.25)


def test_empty_masks_agree_with_each_other_alone():
    empty, full = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    assert mask_agreement(empty, empty) == 1
    assert mask_agreement(empty, full) == mask_agreement(full, empty) == 0


def test_a_mask_of_another_size_is_brought_to_the_conditions():
    small = np.array([[1, 0], [0, 2]], np.uint8)
    assert mask_agreement(np.kron(small, np.ones((3, 3), np.uint8)), small) == 1
