"""Images and masks that a generator learns from, kept on disk, and the batches drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medweave.config import Settings, Synthesis
from medweave.data import ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.data.resizing import squash_image, squash_mask
from medweave.errors import InputError

FEWEST = 8
KNOWN = 0.5
"""Least share of a batch with a known mask."""
COLOURED = 8
"""An image has colour when its channels differ by more than this on average (gray levels)."""


@dataclass(frozen=True)
class TrainingImages:
    """`images` NxTxTxC uint8 and `masks` NxTxT uint8 (memory-mapped), `known` N bool: whether a mask is known.

    T is twice the size of the batches, so that a part that is cut out stays sharp. C is 1 or 3.
    """

    images: np.ndarray
    masks: np.ndarray
    known: np.ndarray

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        return int(self.images.shape[3])

    def digest(self) -> str:
        """SHA-256 over all pixels and masks."""
        digest = hashlib.sha256(f"{self.images.shape}".encode())
        for array in (self.images, self.masks, self.known):
            for item in array:
                digest.update(np.ascontiguousarray(item).tobytes())
        return digest.hexdigest()

    def draw(self, settings: Synthesis, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A batch, cropped and flipped: images BxSxSxC uint8, masks BxSxS uint8, and whether each is known (B bool)."""
        chosen = self._pick(settings.batch_size, rng)
        pairs = [self._view(index, settings, rng) for index in chosen]
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs]), self.known[chosen]

    def masks_at(self, chosen: Sequence[int], size: int) -> np.ndarray:
        """The whole masks of these images, KxSxS uint8."""
        return np.stack([squash_mask(self.masks[index], size) for index in chosen])

    def _pick(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices, of which at least the share `KNOWN` has a known mask where there are any."""
        known, other = np.flatnonzero(self.known), np.flatnonzero(~self.known)
        share = max(KNOWN, len(known) / len(self.known)) if len(known) else 0.0
        from_known = round(count * share)
        pools = ((known, from_known), (other, count - from_known))
        return np.concatenate([rng.choice(pool, n, replace=n > len(pool)) for pool, n in pools if n])

    def _view(self, index: int, settings: Synthesis, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        import cv2

        side, size = self.images.shape[1], settings.image_size
        part = round(side * (1.0 - settings.crop * rng.random()))
        top, left = rng.integers(0, side - part + 1, 2)
        flipped = settings.flip and rng.random() < 0.5
        image = self.images[index, top : top + part, left : left + part]
        mask = self.masks[index, top : top + part, left : left + part]
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).reshape(size, size, -1)
        mask = squash_mask(mask, size)
        return (image[:, ::-1], mask[:, ::-1]) if flipped else (image, mask)


def collect_images(tables: Sequence[ImageTable], settings: Settings, path: Path) -> TrainingImages:
    """Read all images of the tables but synthetic ones into files `path`.images and `path`.masks.

    Raises InputError for fewer than 8 images, and where images are made for masks but no known mask has a foreground.
    """
    wanted, classes, max_pixels = settings.synthesis, len(settings.data.classes), settings.data.max_pixels
    rows = [row for table in tables for row in table if row.label_source != "synthetic"]
    if len(rows) < FEWEST:
        raise InputError(
            f"synthesis: {len(rows)} images are too few to learn from; add unlabeled images ({FEWEST} at least)"
        )
    side = 2 * wanted.image_size
    path.parent.mkdir(parents=True, exist_ok=True)
    images: Any = np.memmap(path.with_suffix(".images"), np.uint8, "w+", shape=(len(rows), side, side, 3))
    masks: Any = np.memmap(path.with_suffix(".masks"), np.uint8, "w+", shape=(len(rows), side, side))
    known = np.zeros(len(rows), bool)
    for index, row in enumerate(rows):
        images[index] = squash_image(to_rgb8(read_image(row.image_uri, max_pixels)), side)
        if wanted.conditional and row.is_trusted:
            masks[index] = squash_mask(read_mask(row.mask, classes, max_pixels), side)
            known[index] = True
    if wanted.conditional and not any(mask.any() for mask in masks):
        raise InputError(
            "synthesis: no known mask has a foreground to make images for; set synthesis.conditional=false"
        )
    if wanted.colour == "gray" or (wanted.colour == "auto" and not _mostly_coloured(images)):
        images = _gray(images)
    return TrainingImages(images, masks, known)


def _mostly_coloured(images: np.ndarray) -> bool:
    spreads = [float(np.mean(image.max(axis=2) - image.min(axis=2))) for image in images]
    return float(np.median(spreads)) > COLOURED


def _gray(images: np.ndarray) -> np.ndarray:
    """NxTxTx1 luminance, in the place of the first channel."""
    import cv2

    for index in range(len(images)):
        images[index, :, :, 0] = cv2.cvtColor(images[index], cv2.COLOR_RGB2GRAY)
    return images[..., :1]
