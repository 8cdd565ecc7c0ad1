"""Features of images by the shipped encoder."""

import cv2
import numpy as np
import pytest

from medweave.data.phantoms import make_phantom
from medweave.labeling.compact.features import image_features


@pytest.fixture(scope="module")
def images():
    drawn = [make_phantom("ultrasound", 96, np.random.default_rng(seed))[0] for seed in range(6)]
    return [np.repeat(image[:, :, None], 3, axis=2) for image in drawn]


def test_an_image_has_the_same_features_in_any_batch_and_none_for_none(images):
    together = image_features(images)
    assert together.shape == (6, 512) and together.dtype == np.float32
    np.testing.assert_allclose(image_features(images[2:3])[0], together[2], atol=1e-4)
    assert image_features([]).shape == (0, 512)


def test_a_darker_smaller_copy_is_nearer_than_any_other_image(images):
    changed = [cv2.resize((image * 0.8).astype(np.uint8), (64, 64), interpolation=cv2.INTER_AREA) for image in images]
    distances = np.linalg.norm(image_features(changed)[:, None] - image_features(images)[None], axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(6))


def test_features_are_the_mean_of_each_quarter(images):
    """A white left half over black: the left quarters agree with each other more than with the right ones."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32] = 255
    quarters = image_features([image])[0].reshape(128, 2, 2)
    beside, across = (quarters[:, 0, 0] - quarters[:, 1, 0]), (quarters[:, 0, 0] - quarters[:, 0, 1])
    assert np.linalg.norm(beside) < np.linalg.norm(across)
