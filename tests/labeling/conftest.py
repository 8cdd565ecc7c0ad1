"""A coarse model that sees what is bright, and a table of images with one bright rectangle each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from medweave.data import ImageRow, write_table


class BrightIsObject:
    """Takes what is bright for the object, at half the image's size; the feature is the image's number in tenths."""

    digest = "coarse-digest"

    def predict(self, images, rows):
        assert len(images) == len(rows)
        height, width = images[0].shape[:2]
        halves = [cv2.resize(image[..., 0], (width // 2, height // 2))[None] for image in images]
        features = [{"flip_agreement": int(row.image_id) / 10} for row in rows]
        return list(zip(np.stack(halves).astype(np.float32) / 255, features, strict=True))


@pytest.fixture
def coarse():
    return BrightIsObject()


@pytest.fixture
def write_images(tmp_path):
    """Write the image rows of these numbers; number 3 has no rectangle."""

    def write(numbers):
        rows = []
        for number in numbers:
            image = np.zeros((40, 60), np.uint8)
            if number != 3:
                image[10:30, 10 : 20 + 4 * (number % 8)] = 255
            path = tmp_path / "images" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), image)
            rows.append(ImageRow(str(number), str(number), str(path), f"sha-{number}", 40, 60))
        return rows

    return write


@pytest.fixture
def table(tmp_path, write_images):
    """Seven images, two a shard."""
    return write_table(tmp_path / "table", write_images(range(7)), shard_rows=2)
