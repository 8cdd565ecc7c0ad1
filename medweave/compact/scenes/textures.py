"""Random fields that scenes are made of: float32 SxS, mean about 0 and deviation about 1 unless said otherwise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Mask = NDArray[np.uint8]


@cache
def grid(size: int) -> tuple[Field, Field]:
    """Rows and columns of pixel centres, SxS each, from 0 to 1; shared, not to be written to."""
    line = np.asarray((np.arange(size) + 0.5) / size, np.float32)
    return np.repeat(line[:, None], size, axis=1), np.repeat(line[None], size, axis=0)


def noise(rng: np.random.Generator, size: int, cells: float, across: float | None = None) -> Field:
    """Smooth noise with `cells` blobs along the rows' axis and `across` (the same) along the columns'."""
    down, right = (max(2, round(count)) for count in (cells, cells if across is None else across))
    coarse = rng.standard_normal((min(down, size), min(right, size)), np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))


def fractal(rng: np.random.Generator, size: int, cells: float, octaves: int = 4, gain: float = 0.55) -> Field:
    """Fractal noise: octaves of `noise`, each twice as fine and `gain` times as strong (Perlin, 1985)."""
    field = sum(gain**octave * noise(rng, size, cells * 2**octave) for octave in range(octaves))
    return np.asarray(field * np.sqrt(1 - gain**2), np.float32)


def fibres(rng: np.random.Generator, size: int, count: float, angle: float) -> Field:
    """Streaks about `count` times longer than thick, turned by `angle` radians from the columns' direction."""
    field = noise(rng, size, count, max(2.0, count / rng.uniform(4, 12)))
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), np.degrees(angle), 1.0)
    return np.asarray(cv2.warpAffine(field, turn, (size, size), borderMode=cv2.BORDER_REFLECT_101))


def stripes(rng: np.random.Generator, size: int, count: float) -> Field:
    """About `count` waving stripes in a random direction."""
    rows, columns = grid(size)
    angle, bend = rng.uniform(0, np.pi), rng.uniform(0, 0.5)
    phase = count * (np.cos(angle) * columns + np.sin(angle) * rows) + bend * noise(rng, size, 4)
    return np.asarray(1.4 * np.sin(2 * np.pi * phase, dtype=np.float32))


def cells(rng: np.random.Generator, size: int, count: float) -> Field:
    """Distance to the nearest of about `count`**2 random spots, standardised: dark cells, bright net between them."""
    spots = np.full((size, size), 255, np.uint8)
    at = rng.integers(0, size, (2, max(4, round(count**2))))
    spots[at[0], at[1]] = 0
    distance = cv2.distanceTransform(spots, cv2.DIST_L2, 3)
    return np.asarray((distance - distance.mean()) / (distance.std() + 1e-6), np.float32)


def speckle(rng: np.random.Generator, size: int, down: float, across: float) -> Field:
    """Fully developed speckle in dB around its mean (Wagner et al., 1983), with `down` x `across` grains."""
    power = noise(rng, size, down, across) ** 2 + noise(rng, size, down, across) ** 2
    return np.asarray(10 * np.log10(power + 0.02), np.float32)


def texture(rng: np.random.Generator, size: int) -> Field:
    """A texture of any kind."""
    scale = float(np.exp(rng.uniform(np.log(4), np.log(size / 2.5))))
    match int(rng.integers(7)):
        case 0:
            return noise(rng, size, scale)
        case 1:
            return noise(rng, size, scale, scale * rng.uniform(0.3, 3))
        case 2:
            return fibres(rng, size, scale, rng.uniform(0, np.pi))
        case 3:
            return stripes(rng, size, min(scale, 40))
        case 4:
            return np.asarray(rng.choice([-1, 1]) * cells(rng, size, min(scale, 60)), np.float32)
        case 5:
            return speckle(rng, size, max(scale, 20), max(scale, 20) * rng.uniform(0.4, 1.2)) / np.float32(6)
    return fractal(rng, size, min(scale, size / 8), gain=rng.uniform(0.4, 0.8))


def curves(rng: np.random.Generator, size: int, count: int, thickness: tuple[int, int]) -> Field:
    """`count` bent lines across the picture (hair, vessels, wires), 0..1."""
    drawn = np.zeros((size, size), np.uint8)
    steps = np.linspace(-1, 1, 24)
    for _ in range(count):
        angle, bend, reach = rng.uniform(0, np.pi), rng.normal(0, 0.25), size * rng.uniform(0.15, 0.8)
        along = np.stack([steps, bend * steps**2 + rng.normal(0, 0.1) * steps**3], axis=1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = along @ turn * reach + rng.uniform(0, size, 2)
        width = int(rng.integers(thickness[0], thickness[1] + 1))
        cv2.polylines(drawn, [(points * 16).astype(np.int32)], False, 255, width, cv2.LINE_AA, 4)
    return np.asarray(drawn / 255, np.float32)


def blurred(image: NDArray[np.generic], sigma: float) -> Field:
    """Gaussian blur; `sigma` in pixels, nothing below 0.3."""
    field = np.asarray(image, np.float32)
    return field if sigma < 0.3 else np.asarray(cv2.GaussianBlur(field, (0, 0), sigma))
