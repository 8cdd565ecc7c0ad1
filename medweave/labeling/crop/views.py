"""What the network of `crop` sees of an object: the surrounding of its box, squashed to a square, and the box."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.consensus import Window
from medweave.labeling.ellipse import radius
from medweave.labeling.prompts import Box
from medweave.labeling.sam.frames import cut

SIDE = 96
SURROUNDING = 0.5
"""How much of the box's width and height is seen beside it, on every side."""
LEAST_SURROUNDING = 2
"""Pixels of the image."""


@dataclass(frozen=True)
class View:
    """The network's input, 4xSxS float32, and which pixels of the image it shows (they may lie beyond its border).

    The first three channels are the standardised colours. The fourth is the ellipse inscribed in the box: 1 in the
    centre, 0 on the ellipse, falling to -1.
    """

    pixels: NDArray[np.float32]
    window: Window


def view(image: NDArray[np.uint8], box: Box) -> View:
    """The view of a box that has an area inside the image HxWx3 uint8."""
    x0, y0, x1, y1 = box
    dx, dy = (max(LEAST_SURROUNDING, SURROUNDING * length) for length in (x1 - x0, y1 - y0))
    left, top, right, bottom = window = floor(x0 - dx), floor(y0 - dy), ceil(x1 + dx), ceil(y1 + dy)
    colours, _ = cut(image, window, SIDE)
    scale_x, scale_y = SIDE / (right - left), SIDE / (bottom - top)
    inner = (x0 - left) * scale_x, (y0 - top) * scale_y, (x1 - left) * scale_x, (y1 - top) * scale_y
    prior = np.maximum(1 - radius(inner, (SIDE, SIDE)), np.float32(-1))
    return View(np.concatenate([colours, prior[None]]), window)


def region_in(window: Window, region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of each pixel of a view is the region, an HxW mask of the image: SxS float32, 0..1."""
    import cv2

    x0, y0, x1, y1 = window
    height, width = region.shape
    beyond = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
    inside = region[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)].astype(np.float32)
    padded = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_CONSTANT, value=0)
    scaling = cv2.INTER_AREA if x1 - x0 > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(padded, (SIDE, SIDE), interpolation=scaling), np.float32)


def onto_image(
    shares: NDArray[np.float32], window: Window, shape: tuple[int, int]
) -> tuple[Window, NDArray[np.float32]]:
    """A view's SxS map at the image's own resolution: the part of the window in an image of `shape`, and the map."""
    import cv2

    x0, y0, x1, y1 = window
    full = np.asarray(cv2.resize(shares, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR), np.float32)
    left, top, right, bottom = max(0, x0), max(0, y0), min(shape[1], x1), min(shape[0], y1)
    return (left, top, right, bottom), full[top - y0 : bottom - y0, left - x0 : right - x0]
