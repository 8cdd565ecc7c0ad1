"""Scenes that look like dermoscopy: many-coloured lesions on skin, small or large, and what else such pictures hold."""

from __future__ import annotations

import cv2
import numpy as np

from medweave.compact.scenes.generic import soft
from medweave.compact.scenes.shapes import draw_blob, draw_shape
from medweave.compact.scenes.textures import Field, Mask, blurred, cells, curves, fractal, grid, noise, texture

SKINS = np.array([[0.93, 0.76, 0.7], [0.85, 0.62, 0.55], [0.8, 0.68, 0.66], [0.72, 0.66, 0.74], [0.6, 0.45, 0.36]])
PIGMENTS = np.array(
    [[0.55, 0.3, 0.16], [0.36, 0.2, 0.14], [0.2, 0.13, 0.12], [0.65, 0.42, 0.3], [0.7, 0.35, 0.33], [0.4, 0.4, 0.47]]
)
STICKERS = np.array(
    [[0.1, 0.5, 0.75], [0.5, 0.85, 0.83], [0.95, 0.5, 0.1], [0.8, 0.75, 0.1], [0.2, 0.6, 0.25], [0.7, 0.7, 0.72]]
)
INK = np.array([0.35, 0.15, 0.5])


def dermoscopy_scene(rng: np.random.Generator, size: int) -> tuple[Field, list[Mask]]:
    """Colours SxSx3, about 0..1, and the masks of its objects."""
    skin = (SKINS[rng.integers(len(SKINS))] * rng.uniform(0.75, 1.1) + rng.normal(0, 0.04, 3)).astype(np.float32)
    shade = 1 + rng.uniform(0, 0.12) * noise(rng, size, 3) + rng.uniform(0, 0.05) * texture(rng, size)
    image = skin * shade[..., None]
    flush = rng.uniform(0, 0.08) * fractal(rng, size, rng.uniform(3, 10))
    image = image + flush[..., None] * np.array([0.3, -0.6, -0.5], np.float32)
    for _ in range(rng.integers(0, 5)):
        spot = draw_shape(rng, size, tuple(rng.uniform(0, size, 2)), rng.uniform(0.01, 0.07) * size)
        image = _mixed(image, rng.uniform(0.1, 0.6) * blurred(spot, rng.uniform(0.5, 4)), _pigment(rng, skin))
    objects: list[Mask] = []
    least = 0.05 if rng.random() < 0.4 else 0.15
    for _ in range(rng.choice([1, 2], p=[0.85, 0.15])):
        radius = float(np.exp(rng.uniform(np.log(least), np.log(0.15 if least < 0.15 else 0.55)))) * size
        inner = min(max(0.8 * radius, 0.12 * size), 0.46 * size)
        x, y = rng.uniform(inner, size - inner, 2)
        mask = draw_blob(rng, size, (float(x), float(y)), radius)
        if any((other & mask).any() for other in objects):
            continue
        objects.append(mask)
        image = _lesion(rng, image, mask, skin)
    if rng.random() < 0.12:
        image = _inked(rng, image)
    layers = [_ruler] * (rng.random() < 0.2) + [_sticker] * int(rng.choice([0, 1, 2], p=[0.75, 0.18, 0.07]))
    for layer in layers:
        image, cover = layer(rng, image)
        objects = [mask & (1 - cover) for mask in objects]
    return _photographed(rng, image), objects


def _pigment(rng: np.random.Generator, skin: Field) -> Field:
    """A pigment's colour: never quite the skin's."""
    share = rng.uniform(0.35, 1)
    colour = PIGMENTS[rng.integers(len(PIGMENTS))] + rng.normal(0, 0.05, 3)
    return np.asarray(share * colour * rng.uniform(0.7, 1.2) + (1 - share) * skin, np.float32)


def _mixed(image: Field, alpha: Field, colour: Field) -> Field:
    return np.asarray(image + alpha[..., None] * (colour - image), np.float32)


def _lesion(rng: np.random.Generator, image: Field, mask: Mask, skin: Field) -> Field:
    size = len(mask)
    if rng.random() < 0.15:
        image = _mixed(image, rng.uniform(0.1, 0.3) * blurred(mask, rng.uniform(0.02, 0.1) * size), _pigment(rng, skin))
    alpha = soft(rng, mask, ramps=0.6)
    base = _pigment(rng, skin)
    inside = _mixed(image, np.full_like(alpha, rng.uniform(0.5, 1)), base)
    for _ in range(rng.integers(0, 5)):
        level = np.clip(rng.normal(-0.2, 0.5) + fractal(rng, size, rng.uniform(3, 20), 3), 0, 1)
        inside = _mixed(inside, rng.uniform(0.2, 1) * np.asarray(level, np.float32), _pigment(rng, skin))
    if rng.random() < 0.5:
        net = np.clip(0.5 + rng.choice([-1, 1]) * cells(rng, size, rng.uniform(20, 70)), 0, 1)
        inside = inside * (1 - rng.uniform(0.05, 0.4) * blurred(net, 0.8))[..., None]
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    if rng.random() < 0.4:
        deep = np.clip((depth / (depth.max() + 1e-6) - rng.uniform(0.1, 0.6)) * rng.uniform(2, 8), 0, 1)
        deep = deep * np.clip(0.7 + rng.uniform(0, 0.6) * noise(rng, size, 8), 0, 1)
        inside = _mixed(inside, rng.uniform(0.4, 1) * np.asarray(deep, np.float32), _pigment(rng, skin))
    if rng.random() < 0.2:
        scar = blurred(draw_shape(rng, size, _inside(rng, mask), rng.uniform(0.03, 0.15) * size), rng.uniform(1, 6))
        inside = _mixed(inside, rng.uniform(0.4, 1) * scar, skin * np.float32(rng.uniform(0.8, 1.15)))
    return np.asarray(image + alpha[..., None] * (inside - image), np.float32)


def _inside(rng: np.random.Generator, mask: Mask) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0.0, 0.0
    at = int(rng.integers(len(rows)))
    return float(columns[at]), float(rows[at])


def _inked(rng: np.random.Generator, image: Field) -> Field:
    """Strokes of a surgeon's pen."""
    size = len(image)
    for _ in range(rng.integers(1, 6)):
        stroke = curves(rng, size, 1, (2, 9)) * blurred(_disc(rng, size, 0.05, 0.3), rng.uniform(1, 4))
        stroke = stroke * np.clip(0.7 + 0.5 * noise(rng, size, 60), 0, 1)
        image = _mixed(image, rng.uniform(0.2, 0.9) * stroke, np.asarray(INK * rng.uniform(0.6, 1.5), np.float32))
    return image


def _ruler(rng: np.random.Generator, image: Field) -> tuple[Field, Mask]:
    """Ticks along a line, at times on a white bar, and what the bar covers."""
    rows, columns = grid(len(image))
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    x, y = columns - rng.uniform(0.05, 0.95), rows - rng.uniform(0.05, 0.95)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    step, long, half = rng.uniform(0.015, 0.06), rng.uniform(0.01, 0.04), rng.uniform(0.1, 1)
    bar = (across > -0.5 * long) & (across < 4 * long) & (rng.random() < 0.3)
    image = _mixed(image, bar.astype(np.float32), np.full(3, rng.uniform(0.8, 1), np.float32))
    reach = np.where(np.mod(along / step, 10) < 1, 2, 1) * long
    ticks = (np.mod(along / step, 1) < rng.uniform(0.08, 0.3)) & (np.abs(along) < half) & (across > 0)
    drawn = blurred(ticks & (across < reach), rng.uniform(0.3, 0.8))
    black = np.full(3, rng.uniform(0, 0.25), np.float32)
    return _mixed(image, rng.uniform(0.5, 1) * drawn, black), bar.astype(np.uint8)


def _disc(rng: np.random.Generator, size: int, least: float, most: float) -> Field:
    """1 within a disc anywhere, its radius a share of the size."""
    rows, columns = grid(size)
    distance = np.hypot(columns - rng.uniform(0, 1), rows - rng.uniform(0, 1))
    return np.asarray(distance < rng.uniform(least, most), np.float32)


def _sticker(rng: np.random.Generator, image: Field) -> tuple[Field, Mask]:
    """A round coloured patch at the picture's edge, at times with a second colour inside, and what it covers."""
    size = len(image)
    rows, columns = grid(size)
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.4)
    away = rng.uniform(0.35, 0.65) + 0.5 * radius
    x, y = 0.5 + away * np.cos(angle), 0.5 + away * np.sin(angle)
    distance = np.hypot((columns - x) * rng.uniform(0.75, 1.33), rows - y)
    grain = 1 + rng.uniform(0, 0.12) * texture(rng, size)
    for share in (1.0, rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3))[: rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])]:
        colour = STICKERS[rng.integers(len(STICKERS))] * rng.uniform(0.7, 1.2) + rng.normal(0, 0.06, 3)
        alpha = blurred(distance < share * radius, rng.uniform(0.4, 1.5))[..., None]
        image = np.asarray(image + alpha * (grain[..., None] * colour - image), np.float32)
    return image, (distance < radius).astype(np.uint8)


def _photographed(rng: np.random.Generator, image: Field) -> Field:
    """Hair, bubbles, glare, dark corners."""
    size = len(image)
    rows, columns = grid(size)
    if rng.random() < 0.4:
        hair = curves(rng, size, int(rng.integers(1, 20)), (1, 2))
        image = _mixed(image, rng.uniform(0.4, 0.95) * hair, np.full(3, rng.uniform(0.05, 0.4), np.float32))
    if rng.random() < 0.15:
        ring = draw_shape(rng, size, tuple(rng.uniform(0, size, 2)), rng.uniform(0.05, 0.5) * size)
        edge = np.abs(blurred(ring, 1) - blurred(ring, 2.5))
        image = image + rng.uniform(0.3, 2) * edge[..., None]
    if rng.random() < 0.45:
        radius, width = rng.uniform(0.42, 0.75), float(np.exp(rng.uniform(np.log(0.003), np.log(0.12))))
        distance = np.hypot(columns - rng.normal(0.5, 0.04), rows - rng.normal(0.5, 0.04))
        light = 1 / (1 + np.exp(np.clip((distance - radius) / width, -30, 30)))
        image = image * (rng.uniform(0, 0.3) + light * 0.9)[..., None]
    return np.asarray(image, np.float32)
