"""Outlines of many families, drawn as masks SxS uint8 of 0 and 1."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from medweave.compact.scenes.textures import Mask, fractal

Points = NDArray[np.float64]

ANGLES = np.linspace(0, 2 * np.pi, 180, endpoint=False)


def draw_shape(rng: np.random.Generator, size: int, center: tuple[float, float], radius: float) -> Mask:
    """One object of any family about `center` (x, y); `radius` is half of its longer side; all in pixels.

    It may reach beyond the picture and, where warped, fall into pieces.
    """
    kind = int(rng.integers(12))
    if kind == 0:
        return _ragged(rng, size, center, radius)
    outline = _unit(FAMILIES[kind % len(FAMILIES)](rng))
    if rng.random() < 0.7:
        outline = outline * [1, rng.uniform(0.4, 1.0)]
    mask = fill(place(outline, center, radius, rng.uniform(0, 2 * np.pi)), size)
    if rng.random() < 0.1:
        mask &= 1 - fill(place(outline, np.add(center, rng.normal(0, 0.6 * radius, 2)), radius, 0.0), size)
    return warped(rng, mask, radius) if rng.random() < 0.5 else mask


def draw_blob(rng: np.random.Generator, size: int, center: tuple[float, float], radius: float) -> Mask:
    """One roundish object, as masses and moles are; see `draw_shape` for the rest."""
    if rng.random() < 0.25:
        return draw_shape(rng, size, center, radius)
    outline = _unit(BLOBS[int(rng.integers(len(BLOBS)))](rng)) * [1, rng.uniform(0.5, 1.0)]
    mask = fill(place(outline, center, radius, rng.uniform(0, 2 * np.pi)), size)
    return warped(rng, mask, radius, 0.12) if rng.random() < 0.6 else mask


def place(outline: Points, center: tuple[float, float] | Points, radius: float, angle: float) -> Points:
    """An outline of about unit size, Nx2, turned, scaled and moved to pixels (x, y)."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(outline @ turn * radius + np.asarray(center))


def fill(outline: Points, size: int) -> Mask:
    """The mask of an outline, Nx2 in pixels (x, y)."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16 - 8).astype(np.int32)], 1, cv2.LINE_8, 4)
    return mask


def smooth(corners: Points, rounds: int = 3) -> Points:
    """A closed curve along a polygon's Nx2 corners by cutting them (Chaikin, 1974)."""
    for _ in range(rounds):
        following = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following], 1).reshape(-1, 2)
    return corners


def warped(rng: np.random.Generator, mask: Mask, radius: float, most: float = 0.35) -> Mask:
    """The mask with a wavy to ragged boundary, moved by about `most` radii where most."""
    size = len(mask)
    waves = float(rng.choice([3.0, 6.0, 12.0, 30.0])) * size / (4 * radius + 1)
    strength = rng.uniform(0.02, most) * radius * min(1.0, 3 * size / (4 * radius + 1) / waves)
    shift = [strength * fractal(rng, size, waves, 2) for _ in range(2)]
    rows, columns = np.indices((size, size), np.float32)
    return np.asarray(cv2.remap(mask, columns + shift[0], rows + shift[1], cv2.INTER_NEAREST))


def one_piece(mask: Mask) -> Mask:
    """The largest 8-connected piece."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 2:
        return mask
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _ragged(rng: np.random.Generator, size: int, center: tuple[float, float], radius: float) -> Mask:
    """Where noise that fades with the distance from the centre is high."""
    rows, columns = np.indices((size, size), np.float32)
    distance = np.hypot(columns - center[0], rows - center[1]) / radius
    field = 0.75 - distance + rng.uniform(0.1, 0.3) * fractal(rng, size, 2.5 * size / radius, 4, rng.uniform(0.3, 0.8))
    return one_piece((field > 0).astype(np.uint8))


def _unit(outline: Points) -> Points:
    low, high = outline.min(axis=0), outline.max(axis=0)
    return np.asarray((outline - (low + high) / 2) / (high - low).max() * 2)


def _polar(radius: Points) -> Points:
    return np.stack([radius * np.cos(ANGLES), radius * np.sin(ANGLES)], axis=1)


def _ellipse(_rng: np.random.Generator) -> Points:
    return _polar(np.ones_like(ANGLES))


def _waves(rng: np.random.Generator) -> Points:
    radius = np.ones_like(ANGLES)
    strength, decay = rng.uniform(0.05, 0.5), rng.uniform(0.8, 2)
    for order in range(1, 9):
        radius += strength * rng.normal() * order**-decay * np.cos(order * ANGLES + rng.uniform(0, 6.3))
    return _polar(np.maximum(radius, 0.15))


def _calm(rng: np.random.Generator) -> Points:
    """An ellipse with weak waves."""
    radius = np.ones_like(ANGLES)
    strength = rng.uniform(0.03, 0.2)
    for order in range(2, 6):
        radius += strength * rng.normal() / order * np.cos(order * ANGLES + rng.uniform(0, 6.3))
    return _polar(radius)


def _superformula(rng: np.random.Generator) -> Points:
    """Gielis, 2003."""
    order, (first, second, third) = rng.integers(1, 9), np.exp(rng.uniform(-0.7, 2, 3))
    base = np.abs(np.cos(order * ANGLES / 4)) ** second + np.abs(np.sin(order * ANGLES / 4)) ** third
    return _polar(np.clip(base ** (-1 / first), 0.15, 4))


def _polygon(rng: np.random.Generator) -> Points:
    count = int(rng.integers(3, 10))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.5, 1, (count, 1))
    return smooth(corners, int(rng.integers(0, 4)))


def _lobes(rng: np.random.Generator) -> Points:
    centers, radii = rng.normal(0, 0.45, (int(rng.integers(2, 7)), 2)), rng.uniform(0.35, 0.7, 7)
    directions = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
    along = directions @ centers.T
    across = (centers**2).sum(axis=1) - along**2
    reach = along + np.sqrt(np.maximum(radii[: len(centers)] ** 2 - across, 0))
    return _polar(np.maximum(np.where(across < radii[: len(centers)] ** 2, reach, 0).max(axis=1), 0.15))


def _spicules(rng: np.random.Generator) -> Points:
    radius = 0.6 + 0.08 * np.interp(ANGLES, np.linspace(0, 6.3, 9), rng.normal(0, 1, 9), period=2 * np.pi)
    for at in rng.uniform(0, 2 * np.pi, int(rng.integers(3, 16))):
        away = np.abs((ANGLES - at + np.pi) % (2 * np.pi) - np.pi)
        radius += rng.uniform(0.05, 0.5) * np.exp(-away / rng.uniform(0.05, 0.2))
    return _polar(radius)


def _bean(rng: np.random.Generator) -> Points:
    """A band along an arc: from a bent sausage to a crescent."""
    half, width, taper = rng.uniform(0.3, 2.4), rng.uniform(0.12, 0.6), rng.uniform(0.3, 1.5)
    along = np.linspace(-1, 1, 60)
    thick = width * (1 - np.abs(along) ** 2.5) ** taper + 0.01
    outer = (1 + thick)[:, None] * np.stack([np.cos(half * along), np.sin(half * along)], 1)
    inner = np.maximum(1 - thick, 0.02)[:, None] * np.stack([np.cos(half * along), np.sin(half * along)], 1)
    return np.concatenate([outer, inner[::-1]])


def _notched(rng: np.random.Generator) -> Points:
    """A long oval with flat or hollow sides, as organs have."""
    radius = 1 - rng.uniform(0, 0.5) * np.exp(-(((ANGLES - np.pi) / rng.uniform(0.3, 1.2)) ** 2))
    radius -= rng.uniform(0, 0.3) * np.exp(-(((ANGLES - rng.uniform(0, 6.3)) / rng.uniform(0.2, 0.8)) ** 2))
    squareness = rng.uniform(1.5, 4)
    round_ = (np.abs(np.cos(ANGLES)) ** squareness + np.abs(np.sin(ANGLES)) ** squareness) ** (-1 / squareness)
    return _polar(radius * round_) * [rng.uniform(0.4, 0.8), 1]


FAMILIES = (_ellipse, _waves, _waves, _superformula, _polygon, _lobes, _spicules, _bean, _notched)
BLOBS = (_ellipse, _calm, _calm, _calm, _waves, _polygon, _lobes, _notched)
