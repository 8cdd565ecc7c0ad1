"""Scenes that look like ultrasound: layers and fibres under speckle, masses with shadow or enhancement below them."""

from __future__ import annotations

import cv2
import numpy as np

from medweave.compact.scenes.generic import soft
from medweave.compact.scenes.shapes import draw_blob, draw_shape
from medweave.compact.scenes.textures import Field, Mask, blurred, fibres, fractal, grid, noise, speckle


def ultrasound_scene(rng: np.random.Generator, size: int) -> tuple[Field, list[Mask]]:
    """Brightness SxS, about 0..1, and the masks of its objects. Inside, everything is echo strength in dB."""
    rows, columns = grid(size)
    echo = _tissue(rng, size, rows, columns)
    for _ in range(rng.integers(0, 6)):
        blob = draw_shape(rng, size, tuple(rng.uniform(0, size, 2)), rng.uniform(0.04, 0.2) * size)
        echo = echo + rng.normal(-3, 5) * blurred(blob, rng.uniform(0.7, 5))
    objects: list[Mask] = []
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        radius = float(np.exp(rng.uniform(np.log(0.09), np.log(0.4)))) * size
        x, y = rng.uniform(0.6 * radius, size - 0.6 * radius, 2) if radius < 0.7 * size else (size / 2, size / 2)
        mask = draw_blob(rng, size, (float(x), float(y)), radius)
        if rng.random() < 0.6:
            mask = _flattened(rng, mask, float(y))
        objects = [other & (1 - mask) for other in objects]
        objects.append(mask)
        echo = _mass(rng, echo, mask, rows)
    if rng.random() < 0.4:
        at, width = rng.uniform(0, 1), rng.uniform(0.02, 0.12)
        band = np.exp(-(((columns - at - rng.normal(0, 0.2) * rows) / width) ** 2)) * (rows > rng.uniform(0, 0.6))
        echo = echo - rng.uniform(3, 15) * blurred(band, 2)
    return _acquired(rng, echo, rows), objects


def _tissue(rng: np.random.Generator, size: int, rows: Field, columns: Field) -> Field:
    depth = rows + rng.normal(0, 0.15) * (columns - 0.5) + rng.uniform(0, 0.06) * noise(rng, size, 3, 5)
    tops = np.sort(rng.uniform(-0.2, 1, int(rng.integers(2, 7))))
    levels = np.cumsum(rng.normal(0, 5, len(tops) + 1))
    echo = (levels - levels.mean())[np.searchsorted(tops, depth.ravel())].reshape(size, size).astype(np.float32)
    echo = blurred(echo, rng.uniform(0.5, 4))
    for top in tops:
        if rng.random() < 0.5:
            line = np.exp(-(((depth - top) / rng.uniform(0.003, 0.012)) ** 2))
            echo = echo + rng.uniform(0, 10) * line * np.clip(0.5 + noise(rng, size, 3, 7), 0, 1)
    streaks = np.maximum(fibres(rng, size, rng.uniform(15, 70), rng.normal(0, 0.2)), -0.5)
    echo = echo + rng.uniform(0.5, 5) * streaks * np.clip(0.5 + noise(rng, size, 3), 0, 1)
    return np.asarray(echo + rng.uniform(0.5, 4) * fractal(rng, size, rng.uniform(4, 16), 3), np.float32)


def _flattened(rng: np.random.Generator, mask: Mask, middle: float) -> Mask:
    """Wider than deep, as benign masses are."""
    factor = rng.uniform(0.4, 0.9)
    squeeze = np.array([[1, 0, 0], [0, factor, middle * (1 - factor)]], np.float32)
    return np.asarray(cv2.warpAffine(mask, squeeze, mask.shape[::-1], flags=cv2.INTER_NEAREST))


def _mass(rng: np.random.Generator, echo: Field, mask: Mask, rows: Field) -> Field:
    size = len(mask)
    alpha = soft(rng, mask, ramps=0.35)
    ring = (blurred(mask, 0.04 * size) > 0.1) & (mask == 0)
    around = float(echo[ring].mean()) if ring.any() else 0.0
    drop = rng.uniform(2, 26) if rng.random() < 0.85 else rng.uniform(-10, -3)
    own = around - drop + rng.uniform(0, 4) * noise(rng, size, rng.uniform(5, 30))
    if rng.random() < 0.3:
        own = own + rng.uniform(4, 12) * np.maximum(
            fractal(rng, size, rng.uniform(8, 40), 2) - rng.uniform(0.3, 1.5), 0
        )
    if rng.random() < 0.3:
        own = own + rng.normal(0, 8) * noise(rng, size, 4)
    keeps = rng.choice([0.0, rng.uniform(0.2, 0.9)], p=[0.5, 0.5])
    echo = echo * (1 - alpha) + (own + keeps * (echo - around)) * alpha
    if rng.random() < 0.5:
        width = rng.uniform(1, 5)
        halo = np.maximum(blurred(mask, width) * (1 - alpha), 0) * 4
        echo = echo + rng.normal(2, 5) * halo * np.clip(0.5 + noise(rng, size, 4), 0, 1)
    below = np.maximum.accumulate(alpha, axis=0) * (1 - alpha)
    bottom = size - np.argmax(mask[::-1], axis=0)
    fade = np.exp(-np.maximum(rows * size - np.where(mask.any(axis=0), bottom, size), 0) / (rng.uniform(0.2, 1) * size))
    return np.asarray(echo + rng.normal(0, 7) * blurred(below * fade, rng.uniform(1, 4)), np.float32)


def _acquired(rng: np.random.Generator, echo: Field, rows: Field) -> Field:
    """Speckle, attenuation, time gain and log compression."""
    size = len(echo)
    grain = size / rng.uniform(1.2, 4.5)
    grains = speckle(rng, size, grain, grain / rng.uniform(1, 2.5))
    decibel = echo + rng.uniform(0.25, 1) * grains - rng.uniform(-4, 22) * rows ** rng.uniform(0.8, 2)
    decibel = decibel + rng.uniform(0, 4) * noise(rng, size, 2, 6)
    image = np.clip((decibel + rng.uniform(18, 36)) / rng.uniform(38, 64), 0, 1).astype(np.float32)
    return blurred(image, rng.uniform(0, 1.2)) ** np.float32(rng.uniform(0.8, 1.6))
