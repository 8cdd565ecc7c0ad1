"""Masks between the decoder's low resolution and the image: resizing along an axis is a product with a matrix.

So only the part of a mask where there is something is ever upscaled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from medweave.labeling.sam.frames import Frame

VISIBLE = 0.01
"""Probability under which a low-resolution pixel is not upscaled, but taken for 0."""
Window = tuple[int, int, int, int]


def upscale(logits: Tensor, frame: Frame, shape: tuple[int, int], side: int, as_logits: bool) -> tuple[Window, Tensor]:
    """Probabilities at the image's resolution of one mask's low-resolution logits hxw in a frame.

    `shape` is the image's (height, width), `side` the encoder's input's. Gives the window (x0, y0, x1, y1) of the
    image outside of which there is nothing, and the probabilities (y1-y0)x(x1-x0) in it. Upscales logits by way of the
    input's size as SAM does, or probabilities at once as MedSAM does.
    """
    logits = logits.flip(1) if frame.mirrored else logits
    probabilities = logits.sigmoid()
    seen = ~(probabilities < min(VISIBLE, float(probabilities.nan_to_num().max())))  # NaN counts as seen
    x0, y0, x1, y1 = (int(edge) for edge in frame.window)
    via = (side if as_logits else None), *frame.input_size
    rows, top = _covering(seen.any(dim=1), _matrix(len(seen), via[0], via[1], y1 - y0), y0, shape[0])
    columns, left = _covering(seen.any(dim=0), _matrix(seen.shape[1], via[0], via[2], x1 - x0), x0, shape[1])
    full = rows @ (logits if as_logits else probabilities) @ columns.T
    window = left, top, left + len(columns), top + len(rows)
    return window, full.sigmoid() if as_logits else full


def downscale(mask: NDArray[np.uint8], frame: Frame, side: int, low_side: int) -> NDArray[np.float32]:
    """The share of each low-resolution pixel (`low_side` along the input's `side`) that is 1 in an HxW mask of 0 and 1.

    What the frame does not cover, and what lies beyond the image, is 0.
    """
    x0, y0, _, _ = frame.window
    edges = np.linspace(0.0, side, low_side + 1)
    (scale_x, scale_y), (height, width) = frame.scale, mask.shape
    rows = _overlap(y0 + edges / scale_y, height)
    columns = _overlap(x0 + edges / scale_x, width)
    shares = rows @ mask.astype(np.float32) @ columns.T
    return np.asarray(shares[:, ::-1].copy() if frame.mirrored else shares, np.float32)


@lru_cache(maxsize=64)
def _matrix(low: int, side: int | None, input_size: int, size: int) -> Tensor:
    """Bilinear interpolation of `low` values to `size`, size x low: at once, or by way of `side` and a crop of it."""
    if side is None:
        return _bilinear(low, size)
    return _bilinear(input_size, size) @ _bilinear(low, side)[:input_size]


def _bilinear(size: int, new_size: int) -> Tensor:
    return functional.interpolate(torch.eye(size)[None], new_size, mode="linear", align_corners=False)[0].T


def _covering(seen: Tensor, matrix: Tensor, start: int, size: int) -> tuple[Tensor, int]:
    """The matrix's rows that lie in the image and draw on what is seen, and the first one's place in the image.

    `start` is the place of row 0, `size` the image's extent.
    """
    touched = (matrix[:, seen].abs().sum(dim=1) > 0).nonzero().flatten() + start
    within = touched[(touched >= 0) & (touched < size)]
    if len(within) == 0:
        return matrix[:0], 0
    first, last = int(within[0]), int(within[-1])
    return matrix[first - start : last + 1 - start], first


def _overlap(edges: NDArray[np.floating[Any]], size: int) -> NDArray[np.float32]:
    """How much of each stretch between neighbouring edges is covered by each of `size` pixels, as shares."""
    low, high, pixel = edges[:-1, None], edges[1:, None], np.arange(size)[None]
    covered = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.asarray(np.maximum(covered, 0) / (high - low), np.float32)
