"""Images as features: what the built-in model's encoder sees, pooled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from medweave.compact.encoder import DIM
from medweave.data.resizing import squash_image
from medweave.labeling.compact.weights import load_model
from medweave.labeling.sam.frames import cut

SIDE = 128
GRID = 2
BATCH = 16


def image_features(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Nx512 features of images HxWx3 uint8: the encoder's 128 channels, mean over each quarter of the image.

    Images are squashed to 128 x 128; brightness and contrast are taken out, as the encoder was trained.
    """
    encoder = _encoder()
    pooled = [np.zeros((0, DIM * GRID * GRID), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.stack([_pixels(image) for image in images[start : start + BATCH]]))
            maps = encoder(batch)[:, :DIM]
            pooled.append(torch.nn.functional.adaptive_avg_pool2d(maps, GRID).flatten(1).numpy())
    return np.concatenate(pooled)


@cache
def _encoder() -> torch.nn.Module:
    encoder: torch.nn.Module = load_model()[0].image_encoder
    return encoder


def _pixels(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cut(squash_image(image, SIDE), (0, 0, SIDE, SIDE), SIDE)[0]
