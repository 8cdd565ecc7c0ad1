"""Images as they are compared: at one size, in each flip, as gray pixels, perceptual hashes and features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from medweave.data.duplicates import HASH_BITS, perceptual_hash
from medweave.data.images import read_image, to_rgb8
from medweave.data.resizing import squash_image
from medweave.data.table import ImageRow

Image = NDArray[np.uint8]
Features = Callable[[Sequence[Image]], NDArray[np.float32]]
"""From N images HxWx3 uint8 to NxD features."""

MOST_SIDE = 256
SIDE = 64
"""Side at which pixels are compared."""
FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))
BLOCK = 64
"""Images that are in memory at a time, in all flips."""


@dataclass(frozen=True)
class Pictures:
    """Images SxSx3 uint8 with their ids and groups (images of one group may be alike).

    `images` can be gone through again and again.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    images: Iterable[Image]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Views:
    """N pictures in F flips, the first as it is.

    `gray` is NxFx64x64 uint8, `hashes` NxFx4 uint64 (256 bits; all 0 for a constant image), `features` NxFxD.
    """

    gray: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.gray)

    def only(self, index: int) -> Views:
        """The views of one picture."""
        one = slice(index, index + 1)
        return Views(self.gray[one], self.hashes[one], self.features[one])


def read_pictures(rows: Iterable[ImageRow], side: int, max_pixels: int) -> Pictures:
    """The rows' images, squashed to `side` x `side`; each is read when it is its turn."""
    named = [(row.image_id, row.group_id, row.image_uri) for row in rows]
    ids, groups, uris = zip(*named, strict=True) if named else ((), (), ())
    return Pictures(ids, groups, _Files(uris, side, max_pixels))


@dataclass(frozen=True)
class _Files:
    """Images that are read anew each time they are gone through, one at a time."""

    uris: tuple[str, ...]
    side: int
    max_pixels: int

    def __iter__(self) -> Iterator[Image]:
        for uri in self.uris:
            yield squash_image(to_rgb8(read_image(uri, self.max_pixels)), self.side)


def common_side(rows: Iterable[ImageRow]) -> int:
    """The side at which to compare these rows with others: their shortest, at most 256."""
    return min([MOST_SIDE, *(min(row.height, row.width) for row in rows)])


def views_of(images: Iterable[Image], features: Features) -> Views:
    """What is compared of images HxWx3 uint8; they are gone through once, a block at a time."""
    rest = iter(images)
    blocks = [_block_views(block, features) for block in iter(lambda: list(islice(rest, BLOCK)), [])]
    blocks = blocks or [_block_views([], features)]
    return Views(*(np.concatenate([getattr(block, field.name) for block in blocks]) for field in fields(Views)))


def _block_views(images: Sequence[Image], features: Features) -> Views:
    import cv2

    flipped = [np.ascontiguousarray(np.flip(image, axes)) for image in images for axes in FLIPS]
    small = [cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
             for image in flipped]  # fmt: skip
    gray = np.array(small, np.uint8).reshape(len(images), len(FLIPS), SIDE, SIDE)
    hashes = [_words(perceptual_hash(np.asarray(one, np.uint8))) for one in small]
    values = np.asarray(features(flipped), np.float32)
    return Views(
        gray,
        np.array(hashes, np.uint64).reshape(len(images), len(FLIPS), HASH_BITS // 64),
        values.reshape(len(images), len(FLIPS), values.shape[-1]),
    )


def _words(digits: str | None) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(digits or "0" * (HASH_BITS // 4)), np.uint64)
