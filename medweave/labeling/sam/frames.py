"""Frames: which window of an image a promptable model sees, and how its pixels are given to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.prompts import Box

Image = NDArray[np.uint8]
Pixels = NDArray[np.float32]
Window = tuple[int, int, int, int]

CONTEXT = 2.0
"""Side of the window around an object in longer sides of the object's box."""
MIN_SIDE = 32
MIN_DEVIATION = 8.0
"""Least deviation, of 0..255, that contrast is stretched from: below it there is only noise."""


@dataclass(frozen=True)
class Frame:
    """What the encoder sees: `window` (x0, y0, x1, y1) in pixels of the image, which may reach beyond it.

    `input_size` (height, width) is how much of the square input the window fills, from the top left corner. In a
    `mirrored` frame, which fills the input, left and right are exchanged.
    """

    window: tuple[float, float, float, float]
    input_size: tuple[int, int]
    mirrored: bool = False

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the input for each pixel of the image, along x and y."""
        x0, y0, x1, y1 = self.window
        return self.input_size[1] / (x1 - x0), self.input_size[0] / (y1 - y0)


def window_around(boxes: Sequence[Box], shape: tuple[int, int]) -> Window:
    """The square window that shows one object, given the alternatives for its box, in an image of (height, width).

    It is centred on the boxes' union, `CONTEXT` times its longer side, at least `MIN_SIDE` and at most the image's
    longer side, and shifted into the image as far as it goes. Without boxes it is the whole image, squared.
    """
    height, width = shape
    around = np.array(boxes if boxes else [(0, 0, width, height)], float)
    x0, y0 = around[:, :2].min(axis=0)
    x1, y1 = around[:, 2:].max(axis=0)
    side = min(max(MIN_SIDE, ceil(CONTEXT * max(x1 - x0, y1 - y0))), max(shape))
    left, top = (
        _shifted((low + high - side) / 2, side, size) for low, high, size in ((x0, x1, width), (y0, y1, height))
    )
    return left, top, left + side, top + side


def cut(image: Image, window: Window, side: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """A square window of an image HxWx3 uint8 as a network's input, and which of its pixels are real.

    The input is 3xSxS float32 (S = `side`), resized by area when it shrinks and bilinearly when it grows, each channel
    standardised by mean and deviation of the real pixels; what lies beyond the image is 0. The second is SxS.
    """
    import cv2

    height, width = image.shape[:2]
    x0, y0, x1, y1 = window
    inside = image[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
    beyond = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
    real = cv2.copyMakeBorder(np.ones(inside.shape[:2], np.float32), *beyond, cv2.BORDER_CONSTANT, value=0)
    padded = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE).astype(np.float32)
    scaling = cv2.INTER_AREA if x1 - x0 > side else cv2.INTER_LINEAR
    valid = cv2.resize(real, (side, side), interpolation=scaling) > 0.5
    pixels = cv2.resize(padded, (side, side), interpolation=scaling)
    seen = pixels[valid]
    standard = (pixels - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), MIN_DEVIATION)
    standard[~valid] = 0
    return np.ascontiguousarray(standard.transpose(2, 0, 1)), valid


def _shifted(start: float, side: int, size: int) -> int:
    """Where a stretch of `side` starts so that it covers as much of 0..`size` as it can."""
    return min(max(round(start), min(0, size - side)), max(0, size - side))
