"""Masks to make images for: known masks, changed within the bounds of gold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medweave.config import Settings
from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow


@dataclass(frozen=True)
class Condition:
    """A mask to make an image for.

    `mask` is an SxS uint8 class map at the synthesis size, `origin` the ids of the images whose masks it came from,
    `change` what was done to them: `none`, `moved` (affine and elastic) or `mixed` (also a component of another one).
    """

    mask: np.ndarray
    origin: tuple[str, ...]
    change: str

    @cached_property
    def png(self) -> bytes:
        """The mask as PNG."""
        return encode_mask(self.mask)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the PNG."""
        return hashlib.sha256(self.png).hexdigest()


def make_conditions(rows: Iterable[ImageRow], settings: Settings, count: int, seed: int) -> list[Condition]:
    """`count` new masks, made by changing those of gold rows and of accepted ones; condition k from (seed, k) alone.

    All are within what gold masks show: the area's share, the number of components and the centre of each class.
    Raises InputError when there is no gold mask, or none with a foreground.
    """
    raise NotImplementedError
