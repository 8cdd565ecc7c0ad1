"""From images of any size to the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medweave.data.resizing import squash_image

if TYPE_CHECKING:
    import torch


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Bx3xSxS uint8 to float32 in [-2, 2]."""
    return (images.float() / 255.0 - 0.5) / 0.25


def to_batch(images: Sequence[np.ndarray], size: int) -> torch.Tensor:
    """Images HxWx3 uint8 of any sizes to one Bx3xSxS uint8 tensor."""
    import torch

    return torch.from_numpy(np.stack([squash_image(image, size) for image in images])).permute(0, 3, 1, 2)
