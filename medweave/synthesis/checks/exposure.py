"""Samples without a picture: constant, collapsed to little contrast, or saturated, as no real image is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Fault = Literal["constant", "collapsed", "saturated"]

CONSTANT = 2.0
"""Deviation of gray levels (of 255) below which there is nothing but noise of rounding."""
LEAST_CONTRAST = 0.5
"""Share of the least real deviation below which an image has collapsed."""
CLIPPED_SLACK = 0.1
"""How much larger than in any real image the black and white share of a sample may be."""


@dataclass(frozen=True)
class Exposure:
    """`contrast`: deviation of the gray levels, 0..127.5; `clipped`: share of channel values that are 0 or 255."""

    contrast: float
    clipped: float


@dataclass(frozen=True)
class ExposureBounds:
    """What real images show: the least contrast and the largest clipped share."""

    contrast: float
    clipped: float

    def fault(self, image: NDArray[np.uint8]) -> Fault | None:
        """What is wrong with an image HxWx3 uint8, if anything."""
        seen = exposure(image)
        if seen.contrast < CONSTANT:
            return "constant"
        if seen.contrast < LEAST_CONTRAST * self.contrast:
            return "collapsed"
        return "saturated" if seen.clipped > self.clipped + CLIPPED_SLACK else None


def exposure(image: NDArray[np.uint8]) -> Exposure:
    """The exposure of an image HxWx3 uint8."""
    return Exposure(float(image.mean(axis=2).std()), float(np.mean((image == 0) | (image == 255))))


def exposure_bounds(real: Iterable[NDArray[np.uint8]]) -> ExposureBounds:
    """Bounds from real images HxWx3 uint8, at least one."""
    seen = [exposure(image) for image in real]
    return ExposureBounds(min(one.contrast for one in seen), max(one.clipped for one in seen))
