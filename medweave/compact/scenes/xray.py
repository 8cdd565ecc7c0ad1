"""Scenes that look like chest X-rays: two dark lungs behind ribs and clavicles, heart, diaphragm, opacities, wires."""

from __future__ import annotations

import cv2
import numpy as np

from medweave.compact.scenes.shapes import Points, draw_blob, draw_shape, fill, smooth
from medweave.compact.scenes.textures import Field, Mask, blurred, curves, fractal, grid, noise


def xray_scene(rng: np.random.Generator, size: int) -> tuple[Field, list[Mask]]:
    """Brightness SxS, about 0..1 (dense is bright), and the masks of its lungs, now and then also of its heart."""
    top, bottom = rng.uniform(0.04, 0.25), rng.uniform(0.62, 0.95)
    middle, half = rng.normal(0.5, 0.03), rng.uniform(0.3, 0.46)
    frame = np.array([middle, top]), np.array([half, bottom - top])
    heart = rng.uniform(0.15, 0.5)
    outlines = [_lung(rng, -1, rng.uniform(0, 0.35) * heart), _lung(rng, 1, heart)]
    lungs = [fill((frame[0] + outline * frame[1]) * size, size) for outline in outlines]
    image = _body(rng, size, frame)
    image = _air(rng, image, lungs)
    cardiac = fill(_heart(rng, frame, heart) * size, size)
    within = 1 + rng.uniform(0, 0.4) * fractal(rng, size, rng.uniform(4, 20), 3)
    within = within + rng.uniform(-0.3, 0.6) * blurred(curves(rng, size, int(rng.integers(0, 30)), (1, 3)), 0.8)
    image = image + rng.uniform(0, 0.3) * blurred(cardiac, rng.uniform(1, 6)) * within
    image = image - _gaps(rng, size, frame) * (1 - np.maximum(lungs[0], lungs[1]))
    image = image + _ribs(rng, size, frame) + _shoulders(rng, size, frame)
    for _ in range(rng.integers(0, 4)):
        spot = draw_shape(rng, size, tuple(rng.uniform(0.15, 0.85, 2) * size), rng.uniform(0.02, 0.2) * size)
        image = image + rng.uniform(0.02, 0.22) * blurred(spot, rng.uniform(1, 14))
    if rng.random() < 0.25:
        wires = curves(rng, size, int(rng.integers(1, 4)), (1, 3))
        image = image + rng.uniform(0.1, 0.6) * wires
    if rng.random() < 0.3:
        image = image + rng.uniform(0.2, 1.0) * (image - blurred(image, rng.uniform(0.06, 0.2) * size))
    objects = [lungs[0], lungs[1]]
    if rng.random() < 0.2:
        objects.append(cardiac & (1 - lungs[0]) & (1 - lungs[1]))
    return _exposed(rng, image), objects


def _lung(rng: np.random.Generator, side: int, heart: float) -> Points:
    """Outline in units of the chest's half width (x, from the spine) and of its height (y, from the apex)."""
    inner, apex = rng.uniform(0.1, 0.26), rng.uniform(0.25, 0.5)
    wall, dome = rng.uniform(0.85, 1.0), rng.uniform(0.72, 0.95)
    corners = [
        (apex, 0.0),
        (apex + 0.25, rng.uniform(0.03, 0.1)),
        (0.85 * wall, rng.uniform(0.2, 0.34)),
        (wall, rng.uniform(0.5, 0.65)),
        (wall * rng.uniform(0.97, 1.03), 0.85),
        (wall * rng.uniform(0.94, 1.04), 1.0),
        (wall * rng.uniform(0.92, 1.0), rng.uniform(0.98, 1.02)),
        (rng.uniform(0.6, 0.75), dome + rng.uniform(-0.02, 0.08)),
        (inner + 0.3 + 0.4 * heart, dome - rng.uniform(0, 0.06)),
        (inner + heart, dome + rng.uniform(-0.06, 0.03)),
        (inner + 0.9 * heart * rng.uniform(0.6, 1), rng.uniform(0.62, 0.72)),
        (inner + 0.3 * heart, rng.uniform(0.42, 0.55)),
        (inner + rng.uniform(-0.03, 0.08), rng.uniform(0.25, 0.35)),
        (inner, rng.uniform(0.1, 0.18)),
        (inner + 0.05, 0.03),
    ]
    jittered = np.array(corners) + rng.normal(0, 0.012, (len(corners), 2))
    return smooth(jittered, 3) * [side, 1]


def _heart(rng: np.random.Generator, frame: tuple[Points, Points], heart: float) -> Points:
    """Outline in shares of the picture; `heart` is how far it reaches into the lung on the right."""
    corners = [(-0.2, 0.0), (0.2, 0.0), (0.25, 0.35), (0.2 + heart, 0.7), (0.25 + heart, 0.9), (0, 1.0), (-0.35, 0.85)]
    return smooth(frame[0] + (np.array(corners) + rng.normal(0, 0.03, (7, 2))) * frame[1], 3)


def _body(rng: np.random.Generator, size: int, frame: tuple[Points, Points]) -> Field:
    """Neck, shoulders and trunk before a dark or bright background; the spine in the middle, the belly below."""
    rows, columns = grid(size)
    (middle, top), (half, height) = frame
    width = half * rng.uniform(1.08, 1.4)
    sides = [(-0.3, -0.6), (0.3, -0.6), (0.35, -0.15), (1.5, 0.05), (1.6, 0.35), (1.1, 0.6), (1.1, 2), (-1.1, 2)]
    sides += [(-1.1, 0.6), (-1.6, 0.35), (-1.5, 0.05), (-0.35, -0.15)]
    trunk = smooth(np.array([middle, top]) + np.array(sides) * [width, height], 2)
    body = blurred(fill(trunk * size, size), rng.uniform(1, 4))
    image = body * rng.uniform(0.45, 0.75) + rng.choice([0.0, rng.uniform(0, 0.4)], p=[0.7, 0.3])
    image = image + body * rng.uniform(0, 0.12) * noise(rng, size, 3) + 0.02 * fractal(rng, size, 12)
    distance = np.abs(columns - middle - rng.normal(0, 0.03) * (rows - 0.5))
    spine = np.exp(-((distance / (half * rng.uniform(0.1, 0.25))) ** 4))
    image = image + body * spine * (rng.uniform(0.03, 0.3) + rng.uniform(0, 0.04) * np.sin(rows * rng.uniform(60, 130)))
    belly = 1 / (1 + np.exp(-(rows - top - height * rng.uniform(0.9, 1.05)) / 0.03))
    image = image + body * belly * rng.uniform(0, 0.25)
    if rng.random() < 0.5:
        at = middle + half * rng.uniform(0.2, 0.7), top + height * rng.uniform(1.0, 1.12)
        bubble = draw_blob(rng, size, (at[0] * size, at[1] * size), rng.uniform(0.04, 0.15) * size)
        image = image - rng.uniform(0.1, 0.35) * blurred(bubble, rng.uniform(1, 3))
    return np.asarray(image, np.float32)


def _air(rng: np.random.Generator, image: Field, lungs: list[Mask]) -> Field:
    """Darken the lungs, less so towards some side; vessels from the hilum, and opacities that hide parts of them."""
    size = len(image)
    rows, columns = grid(size)
    depth = rng.uniform(0.18, 0.5)
    for mask in lungs:
        alpha = blurred(mask, rng.uniform(0.6, 2.5))
        own = 1 + rng.normal(0, 0.3) * (rows - 0.5) + rng.normal(0, 0.3) * (columns - 0.5)
        own = depth * rng.uniform(0.8, 1.2) * np.clip(own + rng.uniform(0, 0.25) * noise(rng, size, 4), 0.1, 2)
        image = image - alpha * own * _faded(rng, mask, rows)
        vessels = curves(rng, size, int(rng.integers(5, 40)), (1, 3))
        image = image + alpha * rng.uniform(0, 0.14) * blurred(vessels, rng.uniform(0.5, 1.5))
        image = image + alpha * rng.uniform(0.0, 0.05) * fractal(rng, size, rng.uniform(8, 30), 3)
        if rng.random() < 0.4:
            hazy = np.clip(fractal(rng, size, rng.uniform(2, 7), 4) - rng.uniform(-0.2, 0.8), 0, 1.5)
            image = image + alpha * rng.uniform(0.05, 0.5) * depth * hazy
        if rng.random() < 0.25:
            base = np.clip((rows - rng.uniform(0.5, 0.8)) / rng.uniform(0.05, 0.3), 0, 1)
            image = image + alpha * base * rng.uniform(0.2, 0.8) * depth
    return np.asarray(image, np.float32)


def _gaps(rng: np.random.Generator, size: int, frame: tuple[Points, Points]) -> Field:
    """What is dark but no lung: the windpipe, and fat and air between shoulder blade, arm and chest."""
    (middle, top), (half, height) = frame
    tube = np.array([(-0.06, -0.5), (0.06, -0.5), (0.05, 0.35), (-0.05, 0.35)]) * [half * rng.uniform(0.7, 1.5), height]
    drawn = rng.uniform(0, 0.15) * blurred(fill(np.add(tube, (middle, top)) * size, size), rng.uniform(0.8, 3))
    for _ in range(rng.integers(0, 5)):
        aside = rng.choice([-1, 1]) * half * rng.uniform(0.6, 1.3)
        at = (middle + aside) * size, (top + height * rng.uniform(-0.1, 0.5)) * size
        gap = draw_shape(rng, size, at, rng.uniform(0.02, 0.12) * size)
        drawn = drawn + rng.uniform(0.02, 0.25) * blurred(gap, rng.uniform(0.6, 4))
    return np.asarray(drawn, np.float32)


def _faded(rng: np.random.Generator, mask: Mask, rows: Field) -> Field:
    """Less air is seen through shoulders at the apex and through the diaphragm's slope at the base."""
    seen = np.flatnonzero(mask.any(axis=1)) / len(mask)
    top, bottom = (float(seen[0]), float(seen[-1])) if len(seen) else (0.0, 1.0)
    height = bottom - top + 1e-3
    apex = np.exp(-np.maximum(rows - top, 0) / (rng.uniform(0.03, 0.2) * height))
    base = np.exp(-np.maximum(bottom - rows, 0) / (rng.uniform(0.03, 0.2) * height))
    return np.asarray(1 - rng.uniform(0, 0.85) * apex - rng.uniform(0, 0.7) * base, np.float32)


def _ribs(rng: np.random.Generator, size: int, frame: tuple[Points, Points]) -> Field:
    """Ribs across the lungs and beyond them, brighter at their edges: the ones behind, often also those in front."""
    (middle, top), (half, height) = frame
    drawn = np.zeros((size, size), np.float32)
    count, thick = int(rng.integers(6, 12)), rng.uniform(0.018, 0.04)
    drop, arch = rng.uniform(0.0, 0.35), rng.uniform(0.02, 0.25)
    layers = [(rng.uniform(0.02, 0.16), drop, arch)]
    if rng.random() < 0.6:
        layers.append((rng.uniform(0.01, 0.08), -drop - rng.uniform(0, 0.2), -arch))
    along = np.linspace(0, 1, 16)
    for strength, slope, bow in layers:
        ribs = np.zeros((size, size), np.uint8)
        for number in range(count):
            for side in (-1, 1):
                start = top + height * (number + rng.normal(0, 0.08)) / count
                x = middle + side * half * (0.12 + 0.95 * along)
                y = start + height * (slope * along**1.5 - bow * np.sin(np.pi * along) * (0.6 + 0.4 * number / count))
                points = (np.stack([x, y], 1) * size * 16).astype(np.int32)
                cv2.polylines(ribs, [points], False, 255, max(1, round(thick * size)), cv2.LINE_AA, 4)
        bands = blurred(ribs, rng.uniform(0.6, 1.6)) / np.float32(255)
        drawn += strength * (bands + rng.uniform(0, 4.8) * bands * (1 - bands))
    return drawn


def _shoulders(rng: np.random.Generator, size: int, frame: tuple[Points, Points]) -> Field:
    """On each side a clavicle, and now and then a shoulder blade and a breast."""
    (middle, top), (half, height) = frame
    drawn = np.zeros((size, size), np.float32)
    for side in (-1, 1):
        levels = rng.uniform((0.05, 0.0, -0.05), (0.2, 0.14, 0.09))
        points = np.add((middle, top), np.stack([(0.12, 0.5, 1.2), levels], 1) * (side * half, height)) * size
        clavicle = np.zeros((size, size), np.uint8)
        thick = max(1, round(rng.uniform(0.023, 0.052) * size))
        cv2.polylines(clavicle, [points.astype(np.int32)], False, 1, thick, cv2.LINE_8)
        drawn += rng.uniform(0.02, 0.2) * blurred(clavicle, rng.uniform(0.6, 1.6))
        for chance, (x, y), radius in (
            (0.6, rng.uniform((0.9, 0.1), (1.3, 0.4)), rng.uniform(0.08, 0.18)),
            (0.3, rng.uniform((0.4, 0.75), (0.8, 1.1)), rng.uniform(0.12, 0.25)),
        ):
            if rng.random() < chance:
                at = (middle + side * half * x) * size, (top + height * y) * size
                drawn += rng.uniform(0.02, 0.14) * blurred(
                    draw_shape(rng, size, at, radius * size), rng.uniform(0.8, 4)
                )
    return drawn


def _exposed(rng: np.random.Generator, image: Field) -> Field:
    """Film response, and the collimator's border."""
    size = len(image)
    image = image - np.percentile(image[::4, ::4], 1)
    image = np.clip(image / (np.percentile(image[::4, ::4], 99) + 1e-6), 0, 1.3) ** np.float32(rng.uniform(0.6, 1.6))
    if rng.random() < 0.25:
        sides = rng.integers(0, size // 16, 4)
        value = rng.choice([0.0, 0.0, 1.0])
        image[: sides[0]] = image[size - sides[1] :] = value
        image[:, : sides[2]] = image[:, size - sides[3] :] = value
    return np.asarray(image, np.float32)
