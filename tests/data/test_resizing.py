import numpy as np

from medweave.data.resizing import squash_image, squash_mask


def test_an_image_that_shrinks_is_averaged_and_one_that_grows_interpolated():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:4] = 200  # the second of four blocks of two columns
    assert squash_image(image, 4)[:, :, 0].tolist() == [[0, 200, 0, 0]] * 4
    assert squash_image(image, 2)[:, :, 1].tolist() == [[100, 0]] * 2
    grown = squash_image(np.array([[[0] * 3, [100] * 3]], np.uint8), 4)[0, :, 2]
    assert grown.tolist() == [0, 25, 75, 100]


def test_a_mask_keeps_its_classes():
    mask = np.array([[0, 1, 2, 2]] * 3, np.uint8)
    assert squash_mask(mask, 2).tolist() == [[1, 2]] * 2
    assert squash_mask(mask, 8)[0].tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
