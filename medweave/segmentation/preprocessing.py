"""From images of any size to the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def resize_image(image: np.ndarray, size: int) -> np.ndarray:
    """HxWx3 uint8 to SxSx3 uint8, by area where it shrinks; the aspect is not kept."""
    import cv2

    height, width = image.shape[:2]
    shrinks = height * width > size * size
    resized: np.ndarray = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """HxW uint8 class map to SxS by nearest neighbour (exact for pixel centres)."""
    import cv2

    resized: np.ndarray = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Bx3xSxS uint8 to float32 in [-2, 2]."""
    return (images.float() / 255.0 - 0.5) / 0.25


def to_batch(images: Sequence[np.ndarray], size: int) -> torch.Tensor:
    """Images HxWx3 uint8 of any sizes to one Bx3xSxS uint8 tensor."""
    import torch

    return torch.from_numpy(np.stack([resize_image(image, size) for image in images])).permute(0, 3, 1, 2)
