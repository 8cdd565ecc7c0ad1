"""Drawn pictures that differ as patients do, and plain features of them."""

import cv2
import numpy as np
import pytest

from medweave.synthesis.checks import Pictures

SIDE = 96


def drawn(seed: int) -> np.ndarray:
    """A smooth texture with a few ellipses, unlike that of any other seed; SIDExSIDEx3 uint8."""
    rng = np.random.default_rng(seed)
    gray = 100 + 40 * cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), 6) / 0.05
    for _ in range(4):
        centre, axes = rng.integers(10, SIDE - 10, 2).tolist(), rng.integers(6, 30, 2).tolist()
        cv2.ellipse(gray, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(30, 220)), -1)
    gray = cv2.GaussianBlur(gray, (0, 0), 1) + rng.normal(0, 4, (SIDE, SIDE))
    return np.repeat(np.clip(gray, 5, 250).astype(np.uint8)[:, :, None], 3, axis=2)


def pictures(images, name="i", groups=None) -> Pictures:
    ids = tuple(f"{name}{k}" for k in range(len(images)))
    return Pictures(ids, ids if groups is None else tuple(groups), tuple(images))


def pooled(images) -> np.ndarray:
    """8x8 gray levels as features."""
    gray = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (8, 8), interpolation=cv2.INTER_AREA) for image in images
    ]
    return np.array(gray, np.float32).reshape(len(images), 64)


@pytest.fixture(scope="session")
def real() -> Pictures:
    return pictures([drawn(seed) for seed in range(30)], "real")
