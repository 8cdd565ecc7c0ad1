"""A tiny generator for bright discs on noise: 16 pixels, 8 channels."""

import cv2
import numpy as np
import pytest

from medweave.config import parse_settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask

SIZE = 40


def disc(y, x, radius, size=SIZE):
    rows, columns = np.mgrid[:size, :size]
    return ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).astype(np.uint8)


@pytest.fixture(scope="session")
def make_settings():
    def make(seed=0, shard_rows=64, data=None, **synthesis):
        small = {"image_size": 16, "width": 8, "steps": 4, "batch_size": 4, "sampling_steps": 3, "crop": 0.2}
        compute = {"device": "cpu", "threads": 1, "precision": "fp32", "shard_rows": shard_rows}
        return parse_settings(
            {"task": "x", "seed": seed, "data": data or {}, "synthesis": small | synthesis, "compute": compute}
        )

    return make


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """Ten images, the first five with a gold mask of one disc."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    made = []
    for number in range(10):
        mask = disc(*rng.uniform(14, 26, 2), rng.uniform(5, 9))
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), (rng.integers(0, 60, (SIZE, SIZE)) + 150 * mask).astype(np.uint8))
        row = ImageRow(f"i{number}", f"g{number}", str(path), f"{number:064x}", SIZE, SIZE)
        made.append(row.with_label("gold", MaskRef(png=encode_mask(mask)), {}) if number < 5 else row)
    return made


@pytest.fixture(scope="session")
def table(rows, tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table"), rows)


@pytest.fixture(scope="session")
def generator(table, make_settings, tmp_path_factory):
    from medweave.synthesis import train_generator

    return train_generator([table], make_settings(), tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def conditions(rows, make_settings):
    from medweave.synthesis import make_conditions

    return make_conditions(rows, make_settings(), 5, seed=0)
