"""How well a predicted class map agrees with a mask: overlap and surface metrics of one image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Binary = NDArray[np.bool_]

METRICS = ("dice", "iou", "nsd", "hd95")


def image_metrics(
    prediction: NDArray[np.uint8], mask: NDArray[np.uint8], classes: int, tolerance: float
) -> dict[str, float]:
    """Compare two class maps (uint8, HxW, 0 = background, 1..`classes` = foreground).

    - dice, iou: overlap in [0, 1].
    - nsd: normalised surface Dice in [0, 1], the share of both surfaces that lies within `tolerance` pixels of the
      other one (Seidlitz et al. 2022, https://arxiv.org/abs/2111.05408, eq. for NSD, as in MONAI).
    - hd95: the larger of the two directed 95th percentiles of surface distances, in pixels.
    - empty: 1.0 when the prediction has no foreground while the mask has, else 0.0.

    The first four are means over the classes that are present in either map. A class that is in only one of them has
    dice = iou = nsd = 0 and hd95 = the image's diagonal sqrt(H^2 + W^2), the finite worst case. When no class is in
    either, the image is perfect: dice = iou = nsd = 1, hd95 = 0. The surface is made of the foreground pixels with a
    4-neighbour that is not of the class; what is outside the image counts as background.

    Raises ValueError when the shapes differ.
    """
    if prediction.shape != mask.shape:
        raise ValueError(f"prediction is {prediction.shape}, mask is {mask.shape}")
    scores: list[tuple[float, float, float, float]] = []
    predicted = expected = False
    for label in range(1, classes + 1):
        in_prediction, in_mask = prediction == label, mask == label
        found, wanted = bool(in_prediction.any()), bool(in_mask.any())
        predicted, expected = predicted or found, expected or wanted
        if found and wanted:
            scores.append((*_overlap(in_prediction, in_mask), *_surface(in_prediction, in_mask, tolerance)))
        elif found or wanted:
            scores.append((0.0, 0.0, 0.0, math.hypot(*mask.shape)))
    means = np.mean(scores or [(1.0, 1.0, 1.0, 0.0)], axis=0)
    return {**dict(zip(METRICS, means.tolist(), strict=True)), "empty": float(expected and not predicted)}


def dice_by_class(prediction: NDArray[np.uint8], mask: NDArray[np.uint8], classes: int) -> tuple[float, ...]:
    """Dice of each class of two class maps as of `image_metrics`; NaN for a class that is in neither."""
    found = []
    for label in range(1, classes + 1):
        in_prediction, in_mask = prediction == label, mask == label
        total = np.count_nonzero(in_prediction) + np.count_nonzero(in_mask)
        found.append(2 * np.count_nonzero(in_prediction & in_mask) / total if total else math.nan)
    return tuple(found)


def _overlap(prediction: Binary, mask: Binary) -> tuple[float, float]:
    """Dice and intersection over union of two non-empty regions."""
    both = np.count_nonzero(prediction & mask)
    total = np.count_nonzero(prediction) + np.count_nonzero(mask)
    return 2 * both / total, both / (total - both)


def _surface(prediction: Binary, mask: Binary, tolerance: float) -> tuple[float, float]:
    """NSD and HD95 of two non-empty regions, from one computation of their surface distances.

    MONAI's erosion takes what is outside the array as background, so the crop to the union needs no margin.
    """
    from monai.metrics.utils import get_mask_edges, get_surface_distance

    window = _bounding_box(prediction | mask)
    edges = get_mask_edges(prediction[window], mask[window], crop=False)
    there, back = np.asarray(get_surface_distance(*edges)), np.asarray(get_surface_distance(*edges[::-1]))
    close = np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)
    return close / (there.size + back.size), float(max(np.quantile(there, 0.95), np.quantile(back, 0.95)))


def _bounding_box(region: Binary) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
