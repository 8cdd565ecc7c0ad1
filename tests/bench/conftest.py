"""Folders of images and masks as the bench reads them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write(folder: Path, masks: dict[str, np.ndarray]) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for image_id, mask in masks.items():
        noise = np.random.default_rng(len(image_id)).integers(0, 90, (*mask.shape, 3), np.uint8)
        Image.fromarray(noise + np.uint8(120) * (mask > 0)[..., None]).save(folder / "images" / f"{image_id}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{image_id}.png")
    return folder


def rectangle(height, width, *boxes):
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 255
    return mask


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDWEAVE_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path):
    """Three images with rectangles; `two` has two of them and a speck."""
    return write(
        tmp_path / "data",
        {
            "one": rectangle(40, 60, (10, 5, 40, 25)),
            "three": rectangle(50, 50, (0, 0, 20, 50)),
            "two": rectangle(64, 80, (4, 4, 44, 34), (50, 40, 70, 60), (75, 2, 77, 4)),
        },
    )
