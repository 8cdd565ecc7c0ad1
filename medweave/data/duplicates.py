"""Find images that show the same picture: perceptual hashes, pairs of near-duplicates, groups of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

HASH_BITS = 256


def perceptual_hash(gray: npt.NDArray[np.uint8]) -> str | None:
    """Perceptual hash (pHash) of an HxW uint8 image as 64 hexadecimal digits; None for a constant image.

    The signs, against their median, of the 16x16 lowest DCT frequencies of the image at 64x64 pixels (Zauner 2010):
    stable under resizing, recompression, and changes of brightness and contrast.
    """
    import imagehash
    from PIL import Image

    if gray.min() == gray.max():
        return None
    return str(imagehash.phash(Image.fromarray(gray), hash_size=16))


def near_duplicates(hashes: Sequence[str], distance: int, block: int = 64) -> list[tuple[int, int, int]]:
    """All pairs (i, j, bits) with i < j of which the hashes differ in `bits` <= `distance` places, in order.

    `hashes` are 256-bit hashes as 64 hexadecimal digits each. Every pair is compared, `block` rows at a time, so memory
    grows with the number of hashes and not with its square: half a second for 20,000 hashes, half a minute for 100,000.
    """
    words = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, HASH_BITS // 64)
    first, second = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])
    pairs: list[tuple[int, int, int]] = []
    for start in range(0, len(words), block):
        rows = slice(start, start + block)
        half = np.bitwise_count(first[rows, None] ^ first[start:]) + np.bitwise_count(
            second[rows, None] ^ second[start:]
        )
        i, j = np.nonzero(half <= distance)
        i, j = i[i < j] + start, j[i < j] + start
        bits = np.bitwise_count(words[i] ^ words[j]).sum(axis=1, dtype=np.int64)
        near = bits <= distance
        pairs.extend(zip(i[near].tolist(), j[near].tolist(), bits[near].tolist(), strict=True))
    return pairs


def merge_groups(groups: Sequence[str], pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Each item's group after merging those of every pair of items, under the lexicographically first name."""
    merged = {name: name for name in groups}

    def first(name: str) -> str:
        while merged[name] != name:
            merged[name] = merged[merged[name]]
            name = merged[name]
        return name

    for i, j in pairs:
        low, high = sorted((first(groups[i]), first(groups[j])))
        merged[high] = low
    return [first(name) for name in groups]
