"""Masks to make images for: known masks, changed within the bounds of gold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from medweave.config import Settings
from medweave.data.masks import encode_mask, read_mask
from medweave.data.resizing import squash_mask
from medweave.data.table import ImageRow
from medweave.errors import InputError
from medweave.synthesis.shapes import Bounds, bounds_of, mix, move

Change = Literal["none", "moved", "mixed"]

TRIES = 20
MIXED = 0.25
"""Share of the new masks in which a component of another mask is put."""


@dataclass(frozen=True)
class Condition:
    """A mask to make an image for.

    `mask` is an SxS uint8 class map at the synthesis size, `origin` the ids of the images whose masks it came from,
    `change` what was done to them: `none`, `moved` (flip, affine and elastic) or `mixed` (also a component of another
    one).
    """

    mask: np.ndarray
    origin: tuple[str, ...]
    change: Change

    @cached_property
    def png(self) -> bytes:
        """The mask as PNG."""
        return encode_mask(self.mask)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the PNG."""
        return hashlib.sha256(self.png).hexdigest()


@dataclass(frozen=True)
class _Known:
    image_id: str
    mask: np.ndarray


def make_conditions(rows: Iterable[ImageRow], settings: Settings, count: int, seed: int) -> list[Condition]:
    """`count` new masks, made by changing those of gold rows and of accepted ones; condition k from (seed, k) alone.

    All are within what gold masks show: the area's share, the number of components and the centre of each class. A
    mask whose changes do not stay there is kept as it is. Synthetic rows are left out.

    Raises InputError when there is no gold mask, or none with a foreground.
    """
    classes, size = len(settings.data.classes), settings.synthesis.image_size
    gold: list[np.ndarray] = []
    known: list[_Known] = []
    for row in rows:
        if not row.is_trusted or row.label_source == "synthetic":
            continue
        mask = squash_mask(read_mask(row.mask, classes, settings.data.max_pixels), size)
        if mask.any():
            known.append(_Known(row.image_id, mask))
            if row.label_source == "gold":
                gold.append(mask)
    if not gold:
        raise InputError("synthesis: no gold mask has a foreground to make images for; set synthesis.conditional=false")
    bounds = bounds_of(gold, classes)
    known = [one for one in known if bounds.hold(one.mask)]
    return [_changed(known, bounds, settings.synthesis.flip, np.random.default_rng([seed, k])) for k in range(count)]


def _changed(known: Sequence[_Known], bounds: Bounds, flip: bool, rng: np.random.Generator) -> Condition:
    base = known[int(rng.integers(len(known)))]
    for _ in range(TRIES):
        other = known[int(rng.integers(len(known)))]
        mixed = rng.random() < MIXED and other.image_id != base.image_id
        mask = move(mix(base.mask, other.mask, rng) if mixed else base.mask, flip, rng)
        if bounds.hold(mask):
            origin = (base.image_id, other.image_id) if mixed else (base.image_id,)
            return Condition(mask, origin, "mixed" if mixed else "moved")
    return Condition(base.mask, (base.image_id,), "none")
