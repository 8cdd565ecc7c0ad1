"""Images and masks at the network's size, kept on disk, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medweave.data import ImageRow, ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.errors import RunError
from medweave.segmentation.preprocessing import resize_image, resize_mask


@dataclass(frozen=True)
class TrainingSet:
    """`images` NxSxSx3 uint8 and `masks` NxSxS uint8 (memory-mapped), `weights` N float32, `gold` N bool."""

    images: np.ndarray
    masks: np.ndarray
    weights: np.ndarray
    gold: np.ndarray
    rows: tuple[ImageRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, chosen: np.ndarray) -> TrainingSet:
        """The images at the chosen indices."""
        return replace(
            self,
            images=self.images[chosen],
            masks=self.masks[chosen],
            weights=self.weights[chosen],
            gold=self.gold[chosen],
            rows=tuple(self.rows[index] for index in chosen),
        )

    def draw(self, batch_size: int, gold_share: float, rng: np.random.Generator) -> np.ndarray:
        """Indices of one batch: `gold_share` of it gold where there are other labels too, without repeats if it can."""
        gold, other = np.flatnonzero(self.gold), np.flatnonzero(~self.gold)
        from_gold = batch_size if not len(other) else 0 if not len(gold) else round(batch_size * gold_share)
        return np.concatenate([_pick(gold, from_gold, rng), _pick(other, batch_size - from_gold, rng)])


def build_training_set(
    tables: Sequence[ImageTable], size: int, classes: int, max_pixels: int, folder: Path
) -> TrainingSet:
    """Collect the rows to train on (gold, and accepted weak or synthetic labels) into files in `folder`.

    Raises RunError when there is no label at all.
    """
    chosen = [row for table in tables for row in table if row.label_source == "gold" or row.decision == "accept"]
    if not chosen:
        raise RunError("no labels to train on")
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(chosen), size, size)
    images = np.memmap(folder / "images.u8", np.uint8, "w+", shape=(*shape, 3))
    masks = np.memmap(folder / "masks.u8", np.uint8, "w+", shape=shape)
    for index, row in enumerate(chosen):
        images[index] = resize_image(to_rgb8(read_image(row.image_uri, max_pixels)), size)
        masks[index] = resize_mask(read_mask(row.mask, classes, max_pixels), size)
    light = tuple(replace(row, coarse=None, mask=replace(row.mask, png=None)) for row in chosen)
    return TrainingSet(
        images,
        masks,
        np.array([1.0 if row.weight is None else row.weight for row in chosen], np.float32),
        np.array([row.label_source == "gold" for row in chosen]),
        light,
    )


def _pick(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(pool, count, replace=count > len(pool)) if count else np.zeros(0, np.int64)
