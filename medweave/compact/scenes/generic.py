"""Scenes of no modality: several objects that differ from what is around them in brightness, texture or rim."""

from __future__ import annotations

import cv2
import numpy as np

from medweave.compact.scenes.shapes import draw_shape
from medweave.compact.scenes.textures import Field, Mask, blurred, grid, noise, texture


def generic_scene(rng: np.random.Generator, size: int) -> tuple[Field, list[Mask]]:
    """Brightness SxS, about 0..1, and the masks of its objects."""
    image = rng.uniform(0.2, 0.8) + rng.uniform(0.02, 0.15) * texture(rng, size) + _shading(rng, size, 0.2)
    for _ in range(rng.integers(0, 6)):
        alpha = blurred(_somewhere(rng, size, 0.03, 0.4), rng.uniform(0, 5))
        image = image + alpha * (rng.normal(0, 0.15) + rng.uniform(0, 0.1) * noise(rng, size, rng.uniform(4, 80)))
    objects: list[Mask] = []
    for _ in range(rng.integers(1, 4)):
        mask = _somewhere(rng, size, 0.1, 0.48)
        nested = rng.random() < 0.3
        if not nested:
            objects = [other & (1 - mask) for other in objects]
        objects.append(mask)
        image = painted(rng, image, mask)
    if rng.random() < 0.3:
        image = occluded(rng, image)
    return np.asarray(image, np.float32), objects


def painted(rng: np.random.Generator, image: Field, mask: Mask) -> Field:
    """The image with an object drawn where the mask is."""
    size = len(mask)
    alpha = soft(rng, mask)
    around = float(image[mask > 0].mean()) if mask.any() else 0.5
    contrast = float(rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
    keeps = rng.choice([0.0, rng.uniform(0.2, 1.0)], p=[0.6, 0.4])
    own = around + contrast + rng.uniform(0.0, 0.15) * texture(rng, size) + _shading(rng, size, 0.1)
    if abs(contrast) < 0.08:
        own = own + rng.uniform(0.08, 0.2) * texture(rng, size)
    if rng.random() < 0.25:
        core = blurred(mask, rng.uniform(0.03, 0.15) * size)
        own = own + rng.normal(0, 0.25) * core
    image = image * (1 - alpha) + (own + keeps * (image - around)) * alpha
    if rng.random() < 0.25:
        width = rng.uniform(0.8, 4)
        rim = np.abs(blurred(mask, width) - blurred(mask, 2 * width))
        image = image + rng.normal(0, 1.2) * rim
    return np.asarray(image, np.float32)


def soft(rng: np.random.Generator, mask: Mask, ramps: float = 0.2) -> Field:
    """The mask as 0..1 with a sharp, soft or partly lost boundary.

    In a share `ramps` of the cases it only begins to show at the mask's boundary, as outlines drawn by hand enclose
    what fades out.
    """
    size = len(mask)
    sharp = blurred(mask, rng.uniform(0.4, 1.5))
    if rng.random() < ramps:
        depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        width = (
            rng.uniform(0.02, 0.5)
            * float(depth.max())
            * np.clip(1 + 0.5 * noise(rng, size, rng.uniform(2, 12)), 0.2, 2)
        )
        return np.asarray(np.clip(depth / (width + 1), 0, 1) ** rng.uniform(0.6, 1.6), np.float32)
    if rng.random() < 0.5:
        return sharp
    fuzzy = blurred(mask, rng.uniform(2, 0.03 * size))
    share = np.clip(0.5 + noise(rng, size, rng.uniform(2, 6)), 0, 1)
    return np.asarray(sharp * share + fuzzy * (1 - share))


def occluded(rng: np.random.Generator, image: Field) -> Field:
    """Translucent bars, arcs and blobs over everything."""
    size = len(image)
    rows, columns = grid(size)
    if rng.random() < 0.5:
        angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
        across = np.cos(angle) * columns + np.sin(angle) * rows
        across = across + bend * (np.sin(angle) * columns - np.cos(angle) * rows) ** 2
        count, duty = rng.uniform(2, 9), rng.uniform(0.2, 0.5)
        bars = (np.mod(across * count, 1) < duty).astype(np.float32)
        return np.asarray(image + rng.normal(0, 0.15) * blurred(bars, rng.uniform(0.5, 2.5)))
    blob = blurred(_somewhere(rng, size, 0.05, 0.3), rng.uniform(0.5, 12))
    return np.asarray(image + rng.normal(0, 0.2) * blob)


def _somewhere(rng: np.random.Generator, size: int, least: float, most: float) -> Mask:
    radius = float(np.exp(rng.uniform(np.log(least), np.log(most)))) * size
    inner = min(0.7 * radius, 0.45 * size)
    x, y = rng.uniform(inner, size - inner, 2)
    return draw_shape(rng, size, (float(x), float(y)), radius)


def _shading(rng: np.random.Generator, size: int, strength: float) -> Field:
    rows, columns = grid(size)
    slope = rng.normal(0, strength, 2)
    bump = rng.uniform(0, strength) * noise(rng, size, 3)
    return np.asarray(slope[0] * (rows - 0.5) + slope[1] * (columns - 0.5) + bump, np.float32)
