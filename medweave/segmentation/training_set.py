"""Images and masks at the network's size, kept on disk, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.data.resizing import squash_image, squash_mask
from medweave.errors import RunError


@dataclass(frozen=True)
class TrainingSet:
    """`images` NxSxSx3 uint8 and `masks` NxSxS uint8 (memory-mapped), `weights` N float32, `gold` and `drawn` N bool.

    A label of weight 0 is not learned from. Only `drawn` images are trained on.
    """

    images: np.ndarray
    masks: np.ndarray
    weights: np.ndarray
    gold: np.ndarray
    drawn: np.ndarray
    rows: tuple[ImageRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, chosen: np.ndarray) -> TrainingSet:
        """A copy of the images at the chosen indices."""
        return replace(
            self,
            images=self.images[chosen],
            masks=self.masks[chosen],
            weights=self.weights[chosen],
            gold=self.gold[chosen],
            drawn=self.drawn[chosen],
            rows=tuple(self.rows[index] for index in chosen),
        )

    def without(self, groups: Collection[str]) -> TrainingSet:
        """The same images, of which those of these groups, and those made for a mask of these, are not drawn."""
        return replace(self, drawn=self.drawn & np.array([_groups(row).isdisjoint(groups) for row in self.rows]))

    def labelled(self) -> TrainingSet:
        """The same images, of which those without a trusted label are not drawn."""
        return replace(self, drawn=self.drawn & (self.weights > 0))

    def draw(self, batch_size: int, gold_share: float, rng: np.random.Generator) -> np.ndarray:
        """Indices of one batch: `gold_share` of it gold, or gold's share of all images if that is more.

        So a few other labels do not come up more often than gold ones. Without repeats where there are enough images.
        """
        gold, other = np.flatnonzero(self.gold & self.drawn), np.flatnonzero(~self.gold & self.drawn)
        share = max(gold_share, len(gold) / max(1, len(gold) + len(other)))
        from_gold = round(batch_size * share) if len(gold) else 0
        return np.concatenate([_pick(gold, from_gold, rng), _pick(other, batch_size - from_gold, rng)])


def build_training_set(
    real: Sequence[ImageTable], made: Sequence[Iterable[ImageRow]], settings: Settings, folder: Path
) -> TrainingSet:
    """Collect into files in `folder` all `real` images, and of the `made` ones those with a trusted label.

    Trusted are gold labels, and weak or synthetic ones that were accepted. Other labels come with a weight of 0, an
    image without a label with an empty mask. Raises RunError when there is no trusted label at all.
    """
    size, classes, max_pixels = settings.segmentation.image_size, len(settings.data.classes), settings.data.max_pixels
    chosen = [row for table in real for row in table]
    chosen += [row for table in made for row in table if row.is_trusted]
    if not any(row.is_trusted for row in chosen):
        raise RunError("no labels to train on")
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(chosen), size, size)
    images = np.memmap(folder / "images.u8", np.uint8, "w+", shape=(*shape, 3))
    masks = np.memmap(folder / "masks.u8", np.uint8, "w+", shape=shape)
    for index, row in enumerate(chosen):
        images[index] = squash_image(to_rgb8(read_image(row.image_uri, max_pixels)), size)
        if row.mask:
            masks[index] = squash_mask(read_mask(row.mask, classes, max_pixels), size)
    return TrainingSet(
        images,
        masks,
        np.array([row.training_weight for row in chosen], np.float32),
        np.array([row.label_source == "gold" for row in chosen]),
        np.ones(len(chosen), bool),
        tuple(replace(row, coarse=None, mask=replace(row.mask, png=None)) for row in chosen),
    )


def _groups(row: ImageRow) -> set[str]:
    """The row's group and, of an image that was made for a mask, those that the mask came from."""
    return {row.group_id, *(row.made_by.get("condition") or {}).get("groups", ())}


def _pick(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(pool, count, replace=count > len(pool)) if count else np.zeros(0, np.int64)
