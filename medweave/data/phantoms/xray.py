"""Chest-X-ray-like phantoms: both lungs as one class, behind ribs, clavicles, heart, spine and bad exposures.

The picture is a sum of absorptions along the beam, seen through a film curve; bone and water bright, air dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medweave.data.phantoms.shapes import Field, Mask, blur, curve_noise, grid, smooth_noise, soft_step, to_uint8


@dataclass(frozen=True)
class Chest:
    """Where things are, in shares of the side, before the patient is turned and shifted."""

    middle: float
    apex: float
    base: float
    width: float
    domes: tuple[float, float]
    heart: float

    @property
    def height(self) -> float:
        """From the lungs' tips to their base, as a share of the side."""
        return self.base - self.apex


def make_xray(size: int, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """One scene: image uint8 (size, size) and lung mask uint8 (size, size) of 0/1, two pieces."""
    rows, columns = _turned(*grid(size), rng)
    chest = Chest(
        middle=float(rng.normal(0.5, 0.012)),
        apex=float(rng.uniform(0.1, 0.24)),
        base=float(rng.uniform(0.68, 0.86)),
        width=float(rng.uniform(0.29, 0.4)),
        domes=(float(rng.uniform(0.07, 0.15)), float(rng.uniform(0.05, 0.12))),
        heart=float(rng.uniform(0.3, 0.62)),
    )
    lungs, distance = _lungs(chest, rows, columns, rng)
    absorbed = _body(chest, rows, columns, rng) + _middle(chest, rows, columns, rng)
    air = np.max([soft_step(level, 0.004) for level in distance], axis=0)
    absorbed = absorbed - rng.uniform(0.45, 0.75) * air
    absorbed = absorbed + air * _lung_tissue(chest, rows, columns, rng)
    absorbed = absorbed + _bones(chest, rows, columns, rng)
    return _develop(absorbed, rng), lungs


def _turned(rows: Field, columns: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """The patient's coordinates of each pixel: turned, scaled, shifted and slightly bent."""
    turn = float(np.clip(rng.normal(0, 0.06), -0.18, 0.18))
    scale = rng.uniform(0.86, 1.12)
    down, right = (rows - 0.5) * scale, (columns - 0.5) * scale
    bend = 0.004 * smooth_noise(rng, len(rows), (3, 3))
    turned_rows = down * np.cos(turn) - right * np.sin(turn) + 0.5 + rng.uniform(-0.05, 0.05) + bend
    turned_columns = down * np.sin(turn) + right * np.cos(turn) + 0.5 + rng.uniform(-0.05, 0.05) + bend
    return turned_rows.astype(np.float32), turned_columns.astype(np.float32)


def _lungs(chest: Chest, rows: Field, columns: Field, rng: np.random.Generator) -> tuple[Mask, list[Field]]:
    """The mask of both lungs, and for each lung a level that is positive inside (about the distance to its edge)."""
    lungs = np.zeros(rows.shape, bool)
    levels = []
    for side, dome in zip((-1, 1), chest.domes, strict=True):
        aside = side * (columns - chest.middle)
        down = (rows - chest.apex - 0.015 * side * rng.normal()) / chest.height
        depth = np.clip(down, 0.0, 1.3)
        outer = chest.width * rng.uniform(0.95, 1.05) * (1 - np.clip(1 - depth / 0.9, 0, 1) ** 2.6) ** 0.48
        inner = (
            0.05
            + 0.035 * np.clip(depth - 0.25, 0, 1)
            + 0.07 * np.exp(-(depth / 0.05))
            + 0.012 * np.exp(-(((depth - 0.1) / 0.1) ** 2))
        )
        inner = inner + rng.uniform(0.005, 0.02) * np.exp(-(((depth - 0.3) / 0.09) ** 2))
        if side == 1:
            inner = inner + chest.heart * 0.38 * chest.width * soft_step(depth - 0.62, 0.07)
        reach = (aside - 0.45 * chest.width) / (0.55 * chest.width)
        floor = chest.base - dome * (1 - np.clip(reach, -1.0, 1.3) ** 2) + 0.05 * np.clip(reach, 0, None) ** 2
        level = np.minimum(np.minimum(outer - aside, aside - inner), 0.8 * (floor - rows))
        level = np.minimum(level, 0.5 * chest.height * down + 0.002).astype(np.float32)
        lungs |= level > 0
        levels.append(level)
    return lungs.astype(np.uint8), levels


def _body(chest: Chest, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Soft tissue of trunk, neck, shoulders, abdomen and breasts."""
    size = len(rows)
    aside = np.abs(columns - chest.middle)
    shoulder = chest.apex - 0.03 + rng.uniform(0.15, 0.5) * np.clip(aside - 0.09, 0, None) ** 1.2
    side = chest.width + rng.uniform(0.03, 0.09) + 0.25 * np.exp(-(((rows - chest.apex) / 0.16) ** 2))
    trunk = soft_step(side - aside, 0.008) * soft_step(rows - shoulder, 0.012)
    neck = soft_step(rng.uniform(0.08, 0.12) - aside, 0.01) * soft_step(chest.apex + 0.05 - rows, 0.02)
    body = 0.62 * np.maximum(trunk, neck)
    body += 0.22 * trunk * soft_step(rows - chest.base + 0.02, 0.06)
    body += 0.08 * trunk * smooth_noise(rng, size, (4, 4))
    if rng.random() < 0.45:
        for sign in (-1, 1):
            far = np.hypot((sign * (columns - chest.middle) - 0.2) / 0.15, (rows - chest.base + 0.08) / 0.17)
            body += rng.uniform(0.05, 0.16) * trunk * soft_step(1 - far, 0.03)
    if rng.random() < 0.6:
        bubble = np.hypot((columns - chest.middle - rng.uniform(0.1, 0.2)) / 0.07, (rows - chest.base - 0.05) / 0.035)
        body -= rng.uniform(0.15, 0.45) * soft_step(1 - bubble, 0.08)
    return np.asarray(body, np.float32)


def _middle(chest: Chest, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Mediastinum, heart, spine with its vertebrae, and the dark windpipe."""
    aside = columns - chest.middle
    down = (rows - chest.apex) / chest.height
    inside = soft_step(0.06 - np.abs(aside), 0.015)
    heart = np.hypot(
        (aside - 0.1 * chest.heart) / (0.05 + 0.32 * chest.heart * chest.width / 0.35), (down - 0.8) / 0.33
    )
    field = 0.22 * inside + rng.uniform(0.2, 0.35) * soft_step(1 - heart, 0.03) * soft_step(
        chest.base - 0.01 - rows, 0.02
    )
    pitch = rng.uniform(0.045, 0.06)
    spine = soft_step(0.028 - np.abs(aside), 0.005)
    field += rng.uniform(0.03, 0.14) * spine * (1 + 0.35 * np.sin(2 * np.pi * rows / pitch))
    windpipe = soft_step(0.014 - np.abs(aside - 0.004), 0.004) * soft_step(0.28 - down, 0.04)
    return np.asarray(field - rng.uniform(0.05, 0.16) * windpipe, np.float32)


def _lung_tissue(chest: Chest, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Vessels that thin out from the hila, haze, and at times opacities that hide part of a lung."""
    size = len(rows)
    aside = np.abs(columns - chest.middle)
    hilum = np.hypot((aside - 0.09) / 0.16, (rows - chest.apex - 0.45 * chest.height) / 0.22)
    strength = np.exp(-(hilum**2))
    vessels = np.maximum(1 - np.abs(smooth_noise(rng, size, (22, 22))) * 2.2, 0)
    tissue = rng.uniform(0.04, 0.2) * vessels * (0.15 + strength) + rng.uniform(0.0, 0.15) * strength
    tissue += rng.uniform(0.01, 0.05) * smooth_noise(rng, size, (9, 9))
    for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.5, 0.2, 0.15, 0.15]))):
        row, column = rng.uniform(chest.apex, chest.base), chest.middle + rng.choice([-1, 1]) * rng.uniform(0.08, 0.33)
        far = np.hypot((rows - row) / rng.uniform(0.05, 0.16), (columns - column) / rng.uniform(0.04, 0.13))
        cloud = np.exp(-(far**2)) * (1 + 0.3 * smooth_noise(rng, size, (14, 14)))
        tissue += rng.uniform(0.15, 0.5) * cloud
    if rng.random() < 0.15:
        side = rng.choice([-1, 1])
        fluid = soft_step(rows - chest.base + rng.uniform(0.05, 0.16), 0.02) * soft_step(
            side * (columns - chest.middle), 0.01
        )
        tissue += rng.uniform(0.3, 0.5) * fluid
    return np.asarray(tissue, np.float32)


def _bones(chest: Chest, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Ribs that fall towards the sides behind and rise in front, clavicles, and the scapulae's edges."""
    aside = np.abs(columns - chest.middle)
    bones = np.zeros_like(rows)
    cage = soft_step(chest.width * 1.06 - aside, 0.008) * soft_step(aside - 0.03, 0.01)
    strength, pitch = rng.uniform(0.06, 0.2), chest.height / rng.uniform(8.0, 9.5)
    arch = rng.uniform(0.5, 1.0)
    for number in range(10):
        top = chest.apex - 0.02 + pitch * number
        fall = arch * (0.35 + 0.05 * number) * (aside**2) / chest.width - 0.05 * np.exp(-(((aside - 0.16) / 0.1) ** 2))
        gap = np.abs(rows - top - fall)
        width = 0.014 + 0.001 * number
        bones += strength * cage * (soft_step(width - gap, 0.003) + 0.5 * np.exp(-(((gap - width) / 0.004) ** 2)))
        front = np.abs(rows - top - 0.09 + 0.35 * arch * (aside - 0.1))
        bones += 0.45 * strength * cage * soft_step(aside - 0.14, 0.02) * soft_step(0.012 - front, 0.004)
    lift = rng.uniform(-0.02, 0.05)
    clavicle = np.abs(rows - chest.apex - 0.06 - lift + 0.28 * (aside - 0.05) - 0.02 * np.sin(aside * 14))
    ends = soft_step(aside - 0.045, 0.006) * soft_step(chest.width + 0.05 - aside, 0.02)
    bones += rng.uniform(0.1, 0.24) * soft_step(0.013 - clavicle, 0.003) * ends
    blade = np.abs(aside - chest.width - 0.02 + 0.35 * (rows - chest.apex - 0.18))
    bones += (
        rng.uniform(0.05, 0.15)
        * soft_step(0.012 - blade, 0.005)
        * soft_step(0.16 - np.abs(rows - chest.apex - 0.18), 0.02)
    )
    return np.asarray(bones, np.float32)


def _develop(absorbed: Field, rng: np.random.Generator) -> Mask:
    """Scatter, exposure, film curve, noise; then the collimator's border and the side marker."""
    import cv2

    size = len(absorbed)
    scattered = blur(absorbed, 0.003 * size) + rng.uniform(0.05, 0.35) * (blur(absorbed, 0.09 * size) - absorbed)
    low, high = np.quantile(scattered, [0.02, 0.995])
    image = np.clip((scattered - low) / (high - low + 1e-6), 0, 1) ** rng.uniform(0.7, 1.7)
    image = rng.uniform(0, 0.12) + image * rng.uniform(0.6, 0.95)
    image = image * (1 + 0.06 * curve_noise(rng, size, 4)[None, :])
    image = image + rng.uniform(0.006, 0.03) * blur(rng.standard_normal((size, size)).astype(np.float32), 0.6) * 2
    picture = to_uint8(image)
    if rng.random() < 0.3:
        top, side = (round(size * float(v)) for v in rng.uniform(0.0, 0.05, 2))
        picture[:top], picture[size - top :] = 0, 0
        picture[:, :side], picture[:, size - side :] = 0, 0
    if rng.random() < 0.7:
        letter, column = ("L", 0.86) if rng.random() < 0.6 else ("R", 0.06)
        place = (round(size * (column + float(rng.uniform(-0.03, 0.05)))), round(size * float(rng.uniform(0.08, 0.2))))
        thick = max(1, size // 128)
        cv2.putText(picture, letter, place, cv2.FONT_HERSHEY_SIMPLEX, size / 300, 245, thick, cv2.LINE_AA)
    return picture
