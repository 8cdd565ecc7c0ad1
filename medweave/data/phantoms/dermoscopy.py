"""Dermoscopy-like phantoms: one pigmented lesion on skin, under hairs, bubbles, rulers and the lens's vignette.

Colour comes from absorption: light that skin reflects is dimmed by exp(-melanin * A - blood * B) in each channel
(Beer-Lambert), so that more pigment is darker and browner, not just darker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medweave.data.phantoms.shapes import Field, Mask, Star, blur, grid, harmonics, smooth_noise, soft_step, to_uint8

MELANIN = np.array([0.45, 0.85, 1.15], np.float32)
BLOOD = np.array([0.06, 0.62, 0.48], np.float32)
GRAY = np.array([1.0, 0.92, 0.80], np.float32)


def make_dermoscopy(size: int, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """One scene: image uint8 (size, size, 3) in RGB and lesion mask uint8 (size, size) of 0/1."""
    rows, columns = grid(size)
    lesion = _lesion_outline(rng)
    ragged = rng.uniform(0.002, 0.012) * smooth_noise(rng, size, (28, 28))
    ragged += rng.uniform(0.002, 0.012) * smooth_noise(rng, size, (12, 12))
    level = (lesion.level(rows, columns) + ragged).astype(np.float32)
    mask = _largest_piece(level > 0)
    melanin, blood = _skin(rows, columns, level, rng)
    lesion_melanin, lesion_blood = _pigment(level, rng)
    melanin, blood = melanin + lesion_melanin, blood + lesion_blood
    image = _light(rows, columns, rng) * np.exp(-melanin[..., None] * MELANIN - blood[..., None] * BLOOD)
    drawn = to_uint8(_hairs(np.asarray(image, np.float32), rng))
    return _lens(_gel_and_ruler(drawn, lesion, rng), rows, columns, rng), mask


def _lesion_outline(rng: np.random.Generator) -> Star:
    radius = float(np.clip(rng.lognormal(np.log(0.22), 0.38), 0.08, 0.42))
    aspect = float(rng.uniform(0.6, 1.0))
    room = min(0.3, max(0.02, 0.5 - radius))
    center = (float(0.5 + rng.uniform(-room, room)), float(0.5 + rng.uniform(-room, room)))
    waves = harmonics(rng, range(2, 9), rng.uniform(0.08, 0.3))
    return Star(center, (radius / aspect**0.5, radius * aspect**0.5), float(rng.uniform(0, np.pi)), waves)


def _largest_piece(inside: NDArray[np.bool_]) -> Mask:
    """The largest connected piece with its holes filled, uint8 of 0/1."""
    from scipy.ndimage import binary_fill_holes, label

    pieces, _ = label(inside)
    sizes = np.bincount(pieces.ravel())[1:]
    return np.asarray(binary_fill_holes(pieces == 1 + np.argmax(sizes)), np.uint8)


def _skin(rows: Field, columns: Field, level: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Melanin and blood of the skin, with freckles and blushes that are no part of the lesion."""
    size = len(rows)
    melanin = rng.uniform(0.0, 0.45) + rng.uniform(0.01, 0.06) * smooth_noise(rng, size, (4, 4))
    melanin += rng.uniform(0.01, 0.035) * smooth_noise(rng, size, (60, 60))
    blood = rng.uniform(0.1, 0.55) + rng.uniform(0.02, 0.13) * smooth_noise(rng, size, (5, 5))
    blood += rng.uniform(0.01, 0.06) * smooth_noise(rng, size, (24, 24))
    apart = soft_step(-level - 0.03, 0.008)
    for _ in range(rng.integers(0, 7)):
        radius = float(rng.uniform(0.008, 0.05))
        spot = Star(
            _anywhere(rng), (radius, radius * float(rng.uniform(0.6, 1))), 0.0, harmonics(rng, range(2, 6), 0.3)
        )
        melanin += apart * rng.uniform(0.1, 0.7) * soft_step(spot.level(rows, columns), 0.005)
    if rng.random() < 0.4:
        blush = Star(_anywhere(rng), (float(rng.uniform(0.1, 0.3)),) * 2, 0.0, harmonics(rng, range(2, 6), 0.4))
        blood += apart * rng.uniform(0.15, 0.5) * soft_step(blush.level(rows, columns), 0.025)
    return np.asarray(melanin, np.float32), np.asarray(blood, np.float32)


def _anywhere(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0, 1)), float(rng.uniform(0, 1))


def _pigment(level: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Melanin and blood that the lesion adds: patches, a dark or a pale centre, a net of lines, dots."""
    size = len(level)
    inside = soft_step(level + rng.uniform(-0.004, 0.004), rng.uniform(0.003, 0.018))
    amount = float(np.clip(rng.lognormal(np.log(0.75), 0.55), 0.22, 2.0))
    patches = np.clip(1 + rng.uniform(0.1, 0.5) * smooth_noise(rng, size, (7, 7)), 0.25, 2.0)
    depth = level / (level.max() + 1e-6)
    patches *= 1 + rng.uniform(-0.6, 0.8) * np.clip(depth, 0, 1)
    net = np.abs(smooth_noise(rng, size, (34, 34)))
    patches *= 1 + rng.uniform(0, 0.4) * (0.6 - net)
    if rng.random() < 0.4:
        dots = np.maximum(smooth_noise(rng, size, (45, 45)) - 1.4, 0)
        patches += rng.uniform(0.3, 0.9) * dots
    if rng.random() < 0.3:
        patches += rng.uniform(0.4, 1.2) * soft_step(smooth_noise(rng, size, (5, 5)) - 0.8, 0.12)
    melanin = amount * inside * np.clip(patches, 0.15, None)
    blood = inside * rng.uniform(-0.1, 0.45) * np.clip(1 + 0.4 * smooth_noise(rng, size, (6, 6)), 0, 2)
    return np.asarray(melanin, np.float32), np.asarray(blood, np.float32)


def _light(rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """What white would look like: brightness, colour cast and uneven light, (H, W, 3)."""
    tilt = 1 + rng.uniform(-0.2, 0.2) * (rows - 0.5) + rng.uniform(-0.2, 0.2) * (columns - 0.5)
    cast = GRAY * rng.uniform(0.88, 1.1, 3) * rng.uniform(0.75, 1.05)
    return np.asarray(tilt[..., None] * cast + 0.008 * rng.standard_normal((*rows.shape, 3)), np.float32)


def _hairs(image: Field, rng: np.random.Generator) -> Field:
    """Draw dark curved hairs, none to many."""
    import cv2

    size = len(image)
    count = int(rng.choice([0, int(rng.integers(1, 6)), int(rng.integers(8, 28))], p=[0.45, 0.3, 0.25]))
    if not count:
        return image
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    lean = rng.uniform(0, np.pi)
    for _ in range(count):
        start, turn = rng.uniform(-0.1, 1.1, 2), lean + rng.normal(0, 0.5)
        length, bend = rng.uniform(0.15, 0.9), rng.uniform(-0.25, 0.25)
        t = np.linspace(0, 1, 24)[:, None]
        along, aside = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        points = start + length * (t * along + bend * t * (1 - t) * 2 * aside)
        width = max(1, round(4 * size * float(rng.uniform(0.002, 0.006))))
        cv2.polylines(canvas, [np.round(points * 4 * size).astype(np.int32)], False, 255, width, cv2.LINE_AA)
    cover = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    color = rng.uniform(0.05, 0.3) * np.array([1.0, 0.8, 0.65], np.float32)
    return np.asarray(image * (1 - 0.85 * cover) + color * 0.85 * cover, np.float32)


def _gel_and_ruler(image: Mask, lesion: Star, rng: np.random.Generator) -> Mask:
    """Draw bubbles of the immersion gel and, at times, a millimetre ruler or a coloured sticker."""
    import cv2

    size = len(image)
    shine = image.copy()
    for _ in range(int(rng.choice([0, int(rng.integers(1, 10))], p=[0.55, 0.45]))):
        at, radius = (rng.uniform(0, size, 2)).astype(int), round(size * float(rng.uniform(0.008, 0.045)))
        place = (int(at[0]), int(at[1]))
        cv2.circle(shine, place, radius, (250, 245, 245), max(1, size // 200), cv2.LINE_AA)
        cv2.ellipse(shine, place, (radius // 2, radius // 2), 0, 180, 260, (255, 255, 255), max(1, size // 130))
    image = np.asarray(cv2.addWeighted(shine, 0.55, image, 0.45, 0), np.uint8)
    extra = rng.random()
    if extra < 0.2:
        row, step = int(size * rng.uniform(0.84, 0.97)), size * float(rng.uniform(0.018, 0.03))
        first, ticks = size * float(rng.uniform(0.05, 0.3)), int(rng.integers(10, 26))
        color = (35, 30, 30)
        for tick in range(ticks):
            column = round(first + tick * step)
            length = round(size * (0.045 if tick % 5 == 0 else 0.022))
            cv2.line(image, (column, row), (column, row - length), color, max(1, size // 256), cv2.LINE_AA)
        cv2.line(image, (round(first), row), (round(first + (ticks - 1) * step), row), color, max(1, size // 256))
    elif extra < 0.28:
        corner = (size * np.array([lesion.center[1] < 0.5, lesion.center[0] < 0.5])).astype(int)
        color = [(60, 90, 190), (220, 190, 40), (50, 150, 80)][int(rng.integers(0, 3))]
        cv2.circle(image, (int(corner[0]), int(corner[1])), round(size * float(rng.uniform(0.1, 0.2))), color, -1)
    return image


def _lens(image: Mask, rows: Field, columns: Field, rng: np.random.Generator) -> Mask:
    """Darken towards the corners; now and then the round edge of the lens shows as black."""
    distance = np.hypot(rows - 0.5, columns - 0.5)
    shade = 1 - rng.uniform(0.0, 0.6) * np.clip(distance - 0.25, 0, None) ** 1.5 * 2
    if rng.random() < 0.3:
        shade = shade * soft_step(rng.uniform(0.54, 0.66) - distance, rng.uniform(0.004, 0.02))
    softened = np.stack(
        [blur(image[..., k].astype(np.float32) * shade, 0.0025 * len(image)) for k in range(3)], axis=-1
    )
    return to_uint8(softened / 255)
