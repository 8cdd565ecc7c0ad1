"""A generator that has learned a real patient by heart."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from medweave.data.images import list_images, read_image, to_rgb8
from medweave.labeling.compact.features import image_features
from medweave.synthesis.checks.near_copies import TrainingImages
from medweave.synthesis.checks.pictures import views_of
from tests.synthesis.checks.conftest import pictures

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "busi"


def small(image):
    return cv2.resize(np.ascontiguousarray(image), (64, 64), interpolation=cv2.INTER_AREA)


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not beside the checkout")
def test_flipped_brightened_and_cropped_patients_are_caught():
    found = list_images(str(DATA / "unlabeled/images"))[::6]
    images = [to_rgb8(read_image(uri, 10**8)) for _, uri in found]

    def changed(image):
        height, width = image.shape[:2]
        part = image[height // 20 : height - height // 20, width // 20 : width - width // 20, :][:, ::-1]
        return np.clip(part * 1.1 + 8.0, 0, 255).astype(np.uint8)

    training = TrainingImages(pictures([small(image) for image in images]), image_features, 0.01, 28)
    copies = training.compare(views_of([small(changed(image)) for image in images[:6]], image_features))
    assert [copy.nearest for copy in copies if copy.by] == [f"i{k}" for k in range(6)]


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not beside the checkout")
def test_other_patients_are_no_copies():
    parts = [list_images(str(DATA / part / "images")) for part in ("unlabeled", "test")]
    real, others = [[small(to_rgb8(read_image(uri, 10**8))) for _, uri in part[::2]] for part in parts]
    training = TrainingImages(pictures(real), image_features, 0.01, 28)
    found = training.compare(views_of(others, image_features))
    assert sum(bool(one.by) for one in found if one.closeness.bits > 28) <= 2
