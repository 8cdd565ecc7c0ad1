"""Numbers that describe a label: its size, shape and place, its contrast, and how well the coarse model agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHAPE_FEATURES = ("area_share", "components", "compactness", "center_x", "center_y", "border_contact", "contrast")
COARSE_FEATURES = ("agreement", "margin")
FEATURES = SHAPE_FEATURES + COARSE_FEATURES
"""Those that are compared with gold's."""

LONGER_SIDE = 256
RING_SHARE = 0.04


@dataclass(frozen=True)
class View:
    """An image on which labels are described, at most 256 px on the longer side.

    `gray` is HxW float64, 0..255; `coarse` CxHxW float32 foreground probabilities (class k+1 in channel k), or None.
    """

    gray: NDArray[np.float64]
    coarse: NDArray[np.float32] | None


def small_view(image: NDArray[np.uint8], coarse: NDArray[np.floating] | None) -> View:
    """The view of an image HxWx3 uint8 with coarse probabilities Cxhxw at any resolution, or None."""
    import cv2

    height, width = _small(image.shape)
    gray = cv2.cvtColor(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    resized = None if coarse is None else np.stack([cv2.resize(p, (width, height)) for p in coarse.astype(np.float32)])
    return View(gray.astype(np.float64), resized)


def small_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class map (HxW uint8) at the size of its image's view."""
    import cv2

    height, width = _small(mask.shape)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)


def view_features(view: View, mask: NDArray[np.uint8]) -> dict[str, float]:
    """Describe a label by finite numbers.

    `mask` is an HxW uint8 class map (0 = background) of the view's size. Foreground is every class together:

    - `area_share`: foreground / image, 0..1
    - `components`: number of 8-connected components, summed over classes
    - `compactness`: min(1, 4 pi A / P^2), 1 for one disc; P by the Crofton formula in four directions
    - `center_x`, `center_y`: centre of mass over width and height, 0..1 (0.5 for an empty mask)
    - `border_contact`: share of the contour's pixels that lie on the image border, 0..1
    - `contrast`: |mean_in - mean_ring| / (std_in + std_ring + 1) of the gray levels 0..255, where the ring is what
      a dilation by 4 % of the longer side adds (0 without a ring)

    and, only with coarse probabilities p:

    - `agreement`: Dice of p > 0.5 and the mask m, mean over the classes that either has; 1 when both are empty
    - `expected_dice`: the same with p itself, 2 sum(p m) / (sum(p^2) + sum(m)), as in the Dice loss of Milletari et
      al. (3DV 2016): disagreement counts less where the coarse model is not sure
    - `margin`: mean |2p - 1| over mask and ring (over the image for an empty mask), mean over classes, 0..1

    An empty mask has area_share, components, compactness, border_contact and contrast 0.
    """
    import cv2

    inside = mask > 0
    reach = 2 * max(2, round(RING_SHARE * max(mask.shape))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    around = cv2.dilate(inside.astype(np.uint8), kernel).astype(bool)

    features = {**_shape(mask, inside), "contrast": _contrast(view.gray, inside, around & ~inside)}
    if view.coarse is not None:
        maps = _class_maps(mask, len(view.coarse))
        region = around if inside.any() else np.ones_like(inside)
        features["agreement"] = class_dice(maps, view.coarse > 0.5)
        features["expected_dice"] = _expected_dice(maps, view.coarse)
        features["margin"] = float(np.abs(2 * view.coarse[:, region] - 1).mean())
    return features


def mask_dice(mask: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> float:
    """Dice of two HxW class maps with `classes` foreground classes, mean over those that either has; 1 if none."""
    return class_dice(_class_maps(mask, classes), _class_maps(truth, classes))


def class_dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice of two CxHxW stacks of binary masks, mean over the classes that either has; 1 when both are empty."""
    sizes = first.sum(axis=(1, 2)) + second.sum(axis=(1, 2))
    overlaps = (first & second).sum(axis=(1, 2))
    present = sizes > 0
    return float((2 * overlaps[present] / sizes[present]).mean()) if present.any() else 1.0


def component_counts(mask: NDArray[np.uint8], classes: int) -> list[int]:
    """For each foreground class, class 1 first, the number of 8-connected components of an HxW class map."""
    import cv2

    return [cv2.connectedComponents((mask == value).astype(np.uint8))[0] - 1 for value in range(1, classes + 1)]


def _small(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, LONGER_SIDE / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _expected_dice(maps: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    present = (maps | (probabilities > 0.5)).any(axis=(1, 2))
    shared = (probabilities * maps).sum(axis=(1, 2), dtype=np.float64)
    sizes = np.square(probabilities).sum(axis=(1, 2), dtype=np.float64) + maps.sum(axis=(1, 2))
    return float((2 * shared[present] / sizes[present]).mean()) if present.any() else 1.0


def _class_maps(mask: NDArray[np.uint8], classes: int) -> NDArray[np.bool_]:
    maps: NDArray[np.bool_] = mask == np.arange(1, classes + 1, dtype=np.uint8)[:, None, None]
    return maps


def _shape(mask: NDArray[np.uint8], inside: NDArray[np.bool_]) -> dict[str, float]:
    import cv2

    area = int(inside.sum())
    if area == 0:
        return {**dict.fromkeys(SHAPE_FEATURES, 0.0), "center_x": 0.5, "center_y": 0.5}
    ys, xs = np.nonzero(inside)
    contour = inside & ~cv2.erode(
        inside.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), borderValue=0
    ).astype(bool)
    interior = contour[1:-1, 1:-1].sum()
    components = sum(component_counts(mask, int(mask.max())))
    return {
        "area_share": area / inside.size,
        "components": float(components),
        "compactness": min(1.0, 4 * np.pi * area / perimeter(inside) ** 2),
        "center_x": float((xs.mean() + 0.5) / inside.shape[1]),
        "center_y": float((ys.mean() + 0.5) / inside.shape[0]),
        "border_contact": float(1 - interior / contour.sum()),
    }


def perimeter(inside: NDArray[np.bool_]) -> float:
    """Length in pixels of a binary HxW mask's contour, the image border included.

    Crofton formula with four directions: pi/8 x (N0 + N90 + (N45 + N135) / sqrt 2), N = crossings of the contour by
    the grid's lines in a direction (Legland et al., Image Analysis & Stereology 2007); about 1 % off for discs.
    """
    m = np.pad(inside, 1)
    straight = (m[:, 1:] ^ m[:, :-1]).sum() + (m[1:] ^ m[:-1]).sum()
    diagonal = (m[1:, 1:] ^ m[:-1, :-1]).sum() + (m[1:, :-1] ^ m[:-1, 1:]).sum()
    return float(np.pi / 8 * (straight + diagonal / np.sqrt(2)))


def _contrast(gray: NDArray[np.float64], inside: NDArray[np.bool_], ring: NDArray[np.bool_]) -> float:
    if not inside.any() or not ring.any():
        return 0.0
    within, outside = gray[inside], gray[ring]
    return float(abs(within.mean() - outside.mean()) / (within.std() + outside.std() + 1))
