"""Fields and outlines that phantoms are drawn from; lengths are shares of the image's side, so any size looks alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Real = NDArray[np.floating[Any]]
Mask = NDArray[np.uint8]


def grid(size: int) -> tuple[Field, Field]:
    """Rows and columns of the pixels' centres in (0, 1), each float32 of shape (size, size)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.repeat(axis[:, None], size, axis=1), np.repeat(axis[None, :], size, axis=0)


def smooth_noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> Field:
    """Gaussian noise of mean 0 and deviation 1 with about `cells` (rows, columns) independent values; (size, size)."""
    import cv2

    coarse = rng.standard_normal(cells).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((fine - fine.mean()) / (fine.std() + 1e-6), np.float32)


def curve_noise(rng: np.random.Generator, size: int, knots: int) -> Field:
    """A smooth random curve of deviation 1 over `size` samples with `knots` independent values; shape (size,)."""
    import cv2

    coarse = rng.standard_normal((1, knots)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)


def soft_step(level: Real, width: Real | float) -> Field:
    """0 where `level` is far below zero, 1 far above, 0.5 at zero; `width` is the logistic function's scale."""
    return np.asarray(0.5 + 0.5 * np.tanh(level / (2 * width)), np.float32)


def blur(image: Field, sigma: float | tuple[float, float]) -> Field:
    """Gaussian blur of an (H, W) field; `sigma` in pixels, one or (rows, columns)."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, sigma, truncate=3.0), np.float32)


def to_uint8(image: Real) -> Mask:
    """Round an image of [0, 1] to uint8, clipping what is outside."""
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8)


@dataclass(frozen=True)
class Star:
    """An ellipse whose radius varies with the angle by harmonics (order, amplitude, phase).

    `center` (row, column) and `radii` are shares of the side; `angle` in radians turns the first radius from the
    columns' direction towards the rows'.
    """

    center: tuple[float, float]
    radii: tuple[float, float]
    angle: float = 0.0
    harmonics: tuple[tuple[int, float, float], ...] = field(default=())

    def polar(self, rows: Field, columns: Field) -> tuple[Field, Field]:
        """Distance from the centre in units of the ellipse's radius, and the angle around it in radians."""
        down, right = rows - self.center[0], columns - self.center[1]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along = (right * cos + down * sin) / self.radii[0]
        across = (down * cos - right * sin) / self.radii[1]
        return np.hypot(along, across).astype(np.float32), np.arctan2(across, along).astype(np.float32)

    def level(self, rows: Field, columns: Field) -> Field:
        """Positive inside, zero on the outline, negative outside; about the distance to it as a share of the side."""
        distance, theta = self.polar(rows, columns)
        radius = 1 + sum(amplitude * np.cos(order * theta + phase) for order, amplitude, phase in self.harmonics)
        return np.asarray((np.maximum(radius, 0.3) - distance) * np.sqrt(self.radii[0] * self.radii[1]), np.float32)


def harmonics(
    rng: np.random.Generator, orders: Iterable[int], amplitude: float, decay: float = 1.0
) -> tuple[tuple[int, float, float], ...]:
    """Random harmonics for a Star: amplitudes fall as order**-decay, phases are uniform."""
    return tuple(
        (order, amplitude * float(rng.normal()) * order**-decay, float(rng.uniform(0, 2 * np.pi))) for order in orders
    )
