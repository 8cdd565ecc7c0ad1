from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class TaskFolder:
    """A task's folder of small images, for a test to spoil."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seeds = iter(range(1_000_000))
        for split, count in (("gold", 5), ("unlabeled", 4), ("test", 5)):
            (root / split / "images").mkdir(parents=True)
            for k in range(count):
                self.add(f"{split}/images/{split[0]}{k}.png")
                if split != "unlabeled":
                    (root / split / "masks").mkdir(exist_ok=True)
                    self.add(f"{split}/masks/{split[0]}{k}.png", self.square())

    def add(self, name: str, pixels: np.ndarray | None = None) -> Path:
        """Save pixels (by default a texture of its own) under a name relative to the folder."""
        image = self.texture(next(self.seeds)) if pixels is None else pixels
        Image.fromarray(image).save(self.root / name)
        return self.root / name

    @staticmethod
    def texture(seed: int, side: int = 64) -> np.ndarray:
        """A gray image unlike that of any other seed."""
        coarse = np.random.default_rng(seed).integers(20, 230, (16, 16), dtype=np.uint8)
        return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))

    @staticmethod
    def square(side: int = 64, share: float = 0.25) -> np.ndarray:
        """A 0/255 mask with one square in a corner."""
        mask = np.zeros((side, side), np.uint8)
        edge = round(side * share**0.5)
        mask[:edge, :edge] = 255
        return mask


@pytest.fixture
def task(tmp_path) -> TaskFolder:
    return TaskFolder(tmp_path / "task")


@pytest.fixture(scope="module")
def shared_task(tmp_path_factory) -> TaskFolder:
    return TaskFolder(tmp_path_factory.mktemp("task"))
