"""Images with gold, read one at a time, and the boxes that labelers are given on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medweave.data.images import decode_image, list_images, read_bytes, to_rgb8
from medweave.data.masks import read_mask
from medweave.data.table import MaskRef
from medweave.errors import InputError
from medweave.labeling.gold_prompts import GoldImage, gold_objects
from medweave.labeling.labelers import Target
from medweave.labeling.prompts import Box, Prompt

MAX_PIXELS = 100_000_000
JITTERS: Mapping[str, float] = {"gold_box": 0.0, "jitter_5": 0.05, "jitter_10": 0.1, "jitter_20": 0.2}
"""How far each side of a box is moved at most, as a share of the box's width or height."""


@dataclass(frozen=True)
class GoldFile:
    """An image and its mask, not yet read."""

    image_id: str
    image_uri: str
    mask_uri: str

    def read(self, classes: int) -> GoldImage:
        """Image and mask. Raises InputError for what cannot be read and for sizes that differ."""
        data = read_bytes(self.image_uri)
        image = to_rgb8(decode_image(data, self.image_uri, MAX_PIXELS))
        mask = self.mask(classes)
        if mask.shape != image.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (mask.shape, image.shape[:2])]
            raise InputError(f"{self.mask_uri}: is {sizes[0]} pixels, its image {sizes[1]}; resize it")
        return GoldImage(Target(self.image_id, hashlib.sha256(data).hexdigest(), self.image_id, image), mask)

    def mask(self, classes: int) -> NDArray[np.uint8]:
        """The HxW class map. Raises InputError for what cannot be read."""
        return read_mask(MaskRef(uri=self.mask_uri), classes, MAX_PIXELS)


@dataclass(frozen=True)
class GoldFolder:
    """A folder's images with their masks, read while they are iterated over.

    `left_out` counts the images with an empty mask, which hold nothing to prompt for and are not among `files`.
    """

    files: Sequence[GoldFile]
    classes: int
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[GoldImage]:
        return (file.read(self.classes) for file in self.files)


def gold_folder(folder: Path, classes: int) -> GoldFolder:
    """The images in `folder`/images with the masks of their names in `folder`/masks, in order of the names.

    Images with an empty mask are left out. Raises InputError, naming the file, for what has no partner, for two files
    of one name, and for a mask that cannot be read; and for a folder in which no mask shows anything.
    """
    images, masks = (_by_id(folder / name) for name in ("images", "masks"))
    for lonely in sorted(images.keys() ^ masks.keys()):
        present, absent = (images, "masks") if lonely in images else (masks, "images")
        raise InputError(f"{present[lonely]}: has no partner of its name in {folder / absent}; add it or take it away")
    if not images:
        raise InputError(f"{folder / 'images'}: no images here; give a folder that holds images and masks")
    files = [GoldFile(image_id, uri, masks[image_id]) for image_id, uri in images.items()]
    shown = [file for file in files if file.mask(classes).any()]
    if not shown:
        raise InputError(f"{folder / 'masks'}: every mask is empty; give images that show a structure")
    return GoldFolder(shown, classes, len(files) - len(shown))


def gold_boxes(image: GoldImage, classes: int, share: float, seed: int) -> list[Prompt]:
    """A box for each component of the gold mask but specks; see `JITTERS`.

    Every side is moved by its own draw, uniform from -`share` to `share` of the box's width or height, and clipped to
    the image. What is drawn follows from `seed`, `share` and the image's id.
    """
    digest = hashlib.sha256(f"{seed} {share} {image.target.image_id}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8]))
    prompts = []
    for found in gold_objects(image.mask, classes):
        box = _moved(found.box, generator.uniform(-share, share, 4), image.size)
        prompts.append(Prompt(found.class_index, box, (), found.component))
    return prompts


def _by_id(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for image_id, uri in list_images(str(folder)):
        if image_id in found:
            raise InputError(f"{uri}: is the second file named {image_id}, after {found[image_id]}; keep one")
        found[image_id] = uri
    return found


def _moved(box: tuple[int, int, int, int], shares: NDArray[np.float64], size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = box
    moved = np.array(box) + shares * [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    left, top, right, bottom = np.clip(moved, 0, [size[1], size[0]] * 2).tolist()
    return left, top, right, bottom
