"""A tiny recipe and a tiny data set: bright discs on noise."""

import numpy as np
import pytest

from medweave.config import Compute, Segmentation
from medweave.data import ImageRow
from medweave.segmentation.training_set import TrainingSet

SIZE = 32


@pytest.fixture(scope="session")
def recipe() -> Segmentation:
    return Segmentation(
        architecture="Unet",
        image_size=SIZE,
        decoder_channels=(16, 8, 8, 8, 8),
        folds=2,
        coarse_steps=6,
        final_steps=6,
        evaluations=2,
        batch_size=4,
        learning_rate=2e-3,
    )


@pytest.fixture(scope="session")
def compute() -> Compute:
    return Compute(device="cpu", precision="fp32", threads=1)


def make_discs(count: int, seed: int = 0, gold: int | None = None) -> TrainingSet:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    masks = np.stack(
        [(y - cy) ** 2 + (x - cx) ** 2 < radius**2 for cy, cx, radius in rng.uniform(8, 16, (count, 3))]
    ).astype(np.uint8)
    images = rng.integers(0, 60, (count, SIZE, SIZE, 3), dtype=np.uint8) + 150 * masks[..., None]
    rows = tuple(ImageRow(f"i{k}", f"g{k}", "", f"{k:064x}", SIZE, SIZE) for k in range(count))
    is_gold = np.arange(count) < (count if gold is None else gold)
    return TrainingSet(images.astype(np.uint8), masks, np.ones(count, np.float32), is_gold, np.ones(count, bool), rows)


@pytest.fixture
def discs() -> TrainingSet:
    return make_discs(8)
