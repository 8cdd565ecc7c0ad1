"""Breast-ultrasound-like phantoms: layered speckled tissue, one hypo-echoic lesion, and dark things that are none.

Tissue is a map of echo strength in decibel; Rayleigh speckle, depth gain and log compression make the image of it
(Wagner et al., Statistics of speckle in ultrasound B-scans, 1983).
"""

from __future__ import annotations

import numpy as np

from medweave.data.phantoms.shapes import (
    Field,
    Mask,
    Star,
    blur,
    curve_noise,
    grid,
    harmonics,
    smooth_noise,
    soft_step,
    to_uint8,
)

LABELS = ("LT BREAST", "RT BREAST", "RIGHT", "LEFT", "LT AXILLA", "R 10H", "L 2H", "TRANS")


def make_ultrasound(size: int, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """One scene: image uint8 (size, size) and lesion mask uint8 (size, size) of 0/1; the lesion is one piece."""
    rows, columns = grid(size)
    kind = str(rng.choice(["cyst", "benign", "malignant"], p=[0.15, 0.42, 0.43]))
    lesion = _lesion_outline(kind, rng)
    level = lesion.level(rows, columns)
    echo = _tissue(rows, columns, rng)
    echo = _distractors(echo, level, rows, columns, rng)
    echo = _lesion(echo, kind, lesion, level, rows, columns, rng)
    field = _field_of_view(rows, columns, lesion, rng)
    image = _acquire(echo, rows, rng) * field
    mask = ((level > 0) & (field > 0.5)).astype(np.uint8)
    return _annotate(to_uint8(image), lesion, rng), mask


def _lesion_outline(kind: str, rng: np.random.Generator) -> Star:
    radius = float(np.clip(rng.lognormal(np.log(0.125), 0.34), 0.07, 0.23))
    if kind == "malignant":
        aspect, angle = rng.uniform(0.65, 1.25), rng.uniform(-0.6, 0.6)
        waves = harmonics(rng, range(2, 7), 0.3) + harmonics(rng, range(8, 15), 0.05 * rng.choice([0.4, 1.0]), 0.0)
    elif kind == "benign":
        aspect, angle = rng.uniform(0.48, 0.85), rng.uniform(-0.35, 0.35)
        lobed = ((int(rng.integers(3, 6)), float(rng.uniform(0.05, 0.13)), float(rng.uniform(0, 6.28))),)
        waves = harmonics(rng, range(2, 6), 0.14) + (lobed if rng.random() < 0.4 else ())
    else:
        aspect, angle, waves = rng.uniform(0.65, 1.0), rng.uniform(-0.3, 0.3), harmonics(rng, range(2, 5), 0.07)
    wide = radius / np.sqrt(aspect)
    reach = 1.15 * max(wide, wide * aspect) + 0.02
    center = (rng.uniform(max(0.12, reach), min(0.68, 1 - reach)), rng.uniform(reach, 1 - reach))
    return Star((float(center[0]), float(center[1])), (float(wide), float(wide * aspect)), float(angle), waves)


def _tissue(rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Echo of skin, fat, glandular tissue, muscle and what lies below, in dB."""
    size = len(rows)
    tilt = rng.uniform(-0.12, 0.12) * (columns - 0.5)
    tops = np.cumsum([rng.uniform(0.02, 0.05), rng.uniform(0.07, 0.28), rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.25)])
    waves = [0.012 * (1 + k) * curve_noise(rng, size, 5)[None, :] for k in range(4)]
    depth = [soft_step(rows - top - tilt - wave, 0.006) for top, wave in zip(tops, waves, strict=True)]
    glands = depth[1] * (1 - depth[2])
    levels = [rng.uniform(*span) for span in ((2, 6), (-9, -4), (-3, 2), (-10, -5), (-16, -8))]
    echo = np.full_like(rows, levels[0])
    for above, below, boundary in zip(levels[:-1], levels[1:], depth, strict=True):
        echo += (below - above) * boundary
    for top, wave in zip(tops[1:], waves[1:], strict=True):
        line = np.exp(-(((rows - top - tilt - wave) / rng.uniform(0.004, 0.009)) ** 2))
        echo += rng.uniform(3, 9) * line * soft_step(smooth_noise(rng, size, (3, 7)), 0.4)
    slant = rows + rng.uniform(-0.25, 0.25) * (columns - 0.5) + 0.025 * curve_noise(rng, size, 4)[None, :]
    fibres = _streaks(rng, slant.astype(np.float32), columns, lines=int(rng.integers(35, 80)))
    echo += rng.uniform(1.5, 4.5) * fibres * (0.4 + 0.6 * glands + 0.6 * depth[2])
    echo += rng.uniform(1.0, 2.5) * smooth_noise(rng, size, (14, 9))
    echo += rng.uniform(0.5, 2.5) * smooth_noise(rng, size, (5, 4))
    return np.asarray(echo, np.float32)


def _streaks(rng: np.random.Generator, across: Field, along: Field, lines: int) -> Field:
    """Thin bright fibres that follow the level lines of `across`; deviation about 1."""
    import cv2

    texture = np.maximum(rng.standard_normal((lines, 6)).astype(np.float32), -0.3)
    texture = cv2.resize(texture, (64, 4 * lines), interpolation=cv2.INTER_CUBIC)
    at_row = np.mod(across, 1.0) * (4 * lines - 1)
    return np.asarray(cv2.remap(texture, along * 63, at_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _distractors(echo: Field, lesion: Field, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """Draw fat lobules, tubes, cut-off cysts and shadows; none reaches the lesion's outline."""
    size = len(rows)
    apart = soft_step(-lesion - 0.035, 0.008)
    for _ in range(rng.integers(1, 6)):
        lobule = Star(
            (float(rng.uniform(0.06, 0.75)), float(rng.uniform(0, 1))),
            (float(rng.uniform(0.06, 0.17)), float(rng.uniform(0.03, 0.07))),
            float(rng.uniform(-0.4, 0.4)),
            harmonics(rng, range(2, 5), 0.15),
        ).level(rows, columns)
        echo = echo + apart * rng.uniform(-12, -4) * soft_step(lobule, rng.uniform(0.003, 0.009))
        capsule = np.exp(-((lobule / 0.007) ** 2))
        echo += apart * rng.uniform(1, 9) * capsule
    for _ in range(rng.integers(0, 3)):
        middle = rng.uniform(0.15, 0.8) + rng.uniform(-0.5, 0.5) * (columns - 0.5)
        middle = middle + 0.05 * curve_noise(rng, size, 5)[None, :]
        ends = soft_step(rng.uniform(0.1, 0.3) - np.abs(columns - rng.uniform(0, 1)), 0.01)
        tube = soft_step(rng.uniform(0.009, 0.022) - np.abs(rows - middle), 0.003) * ends
        echo = echo + apart * rng.uniform(-16, -8) * tube
    if rng.random() < 0.35:
        side = float(rng.integers(0, 2))
        center, radius = (float(rng.uniform(0.15, 0.8)), side), float(rng.uniform(0.06, 0.14))
        cyst = Star(center, (radius, radius), 0.0, harmonics(rng, range(2, 5), 0.12)).level(rows, columns)
        echo = echo + apart * rng.uniform(-18, -9) * soft_step(cyst, 0.004)
    if rng.random() < 0.25:
        echo = _ribs(echo, apart, rows, columns, rng)
    for _ in range(rng.integers(0, 3)):
        width, start = rng.uniform(0.02, 0.09), rng.uniform(0.0, 0.4)
        band = soft_step(width - np.abs(columns - rng.uniform(0, 1) - 0.1 * (rows - 0.5)), 0.012)
        echo = echo + (0.25 + 0.75 * apart) * rng.uniform(-12, -5) * band * soft_step(rows - start, 0.05)
    return np.asarray(echo, np.float32)


def _ribs(echo: Field, apart: Field, rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """A row of ribs deep in the image: dark ovals under a bright cap, with a shadow below each."""
    depth, first, pitch = rng.uniform(0.55, 0.85), rng.uniform(-0.05, 0.3), rng.uniform(0.28, 0.45)
    radii = (float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.05, 0.09)))
    for number in range(4):
        center = (float(depth + rng.normal(0, 0.02)), float(first + pitch * number + rng.normal(0, 0.02)))
        level = Star(center, radii, 0.0, harmonics(rng, range(2, 5), 0.12)).level(rows, columns)
        oval = soft_step(level, 0.005)
        shadow = np.maximum.accumulate(oval, axis=0) - oval
        cap = np.exp(-((level / 0.008) ** 2)) * soft_step(center[0] - rows, 0.01)
        echo = echo + apart * (10 * cap - 12 * oval - 9 * shadow)
    return np.asarray(echo, np.float32)


def _lesion(
    echo: Field, kind: str, lesion: Star, level: Field, rows: Field, columns: Field, rng: np.random.Generator
) -> Field:
    """Replace the tissue inside the outline by darker tissue, with what the lesion does to its border and below."""
    size = len(rows)
    _, theta = lesion.polar(rows, columns)
    contrast = {"cyst": rng.uniform(13, 26), "benign": rng.uniform(6, 13), "malignant": rng.uniform(7, 16)}[kind]
    edge = {"cyst": 0.003, "benign": 0.005, "malignant": 0.009}[kind]
    missing = np.cos(theta - rng.uniform(0, 6.28)) ** 3
    edge = edge * (1 + rng.uniform(0, 2.0) * np.maximum(missing, 0))
    inside = soft_step(level, edge)
    near = blur(echo, 0.06 * size)
    local = float(np.mean(near[np.abs(level) < 0.05]))
    own = local - contrast + rng.uniform(0.5, 2.2) * smooth_noise(rng, size, (9, 9))
    own = own + rng.uniform(0.0, 0.55) * contrast * np.maximum(missing, 0) * np.exp(-np.maximum(level, 0) / 0.02)
    if kind != "cyst" and rng.random() < 0.3:
        spots = smooth_noise(rng, size, (50, 50))
        own = own + 9 * np.maximum(spots - 1.9, 0)
    echo = echo * (1 - inside) + own * inside
    if kind == "malignant":
        echo = echo + rng.uniform(0, 6) * np.exp(-(((level + 0.02) / 0.015) ** 2))
    elif rng.random() < 0.5:
        echo = echo + rng.uniform(1, 6) * np.exp(-(((level + 0.005) / 0.006) ** 2))
    change = {"cyst": rng.uniform(4, 10), "benign": rng.uniform(-3, 6), "malignant": rng.uniform(-14, 0)}[kind]
    below = np.maximum(np.maximum.accumulate(inside, axis=0) - inside, 0)
    below = blur(below, (0.01 * size, 0.008 * size)) * np.exp(-np.maximum(rows - lesion.center[0], 0) / 0.5)
    return np.asarray(echo + change * below * (1 - inside), np.float32)


def _field_of_view(rows: Field, columns: Field, lesion: Star, rng: np.random.Generator) -> Field:
    """1 where the probe looks: all of the image, a frame inside it, or a sector that holds the lesion's centre."""
    shape, amount, start = rng.random(), rng.uniform(0, 0.05), rng.uniform(0.25, 0.6)
    if shape < 0.6:
        return np.ones_like(rows)
    if shape < 0.75:
        left, right = lesion.center[1] - 0.25, lesion.center[1] + 0.25
        inside = (columns > min(amount, left)) & (columns < max(1 - amount, right)) & (rows < 1 - amount)
        return inside.astype(np.float32)
    angle = np.arctan2(columns - 0.5, rows + start)
    reach = np.arctan2(abs(lesion.center[1] - 0.5) + lesion.radii[0], lesion.center[0] + start)
    distance = np.hypot(columns - 0.5, rows + start)
    half = max(float(reach) + 0.03, 0.75 - 0.4 * start)
    inside = (np.abs(angle) < half) & (distance > start + 0.01) & (distance < start + 1.0)
    return np.asarray(inside, np.float32)


def _acquire(echo: Field, rows: Field, rng: np.random.Generator) -> Field:
    """Speckle, attenuation, gain and log compression: echo in dB to brightness of about [0, 1]."""
    size = len(rows)
    grain = rng.uniform(0.8, 1.3) * size
    looks = int(rng.integers(2, 5))
    power = np.zeros_like(rows)
    for _ in range(2 * looks):
        part = blur(rng.standard_normal((size, size)).astype(np.float32), (0.0030 * grain, 0.0070 * grain))
        power += (part / part.std()) ** 2
    speckle = 10 * np.log10(power / (2 * looks) + 1e-3)
    loss = rng.uniform(-4, 18) * rows ** rng.uniform(0.8, 2.0)
    contact = 3 * curve_noise(rng, size, 6)[None, :] * rng.uniform(0, 1)
    decibel = echo + speckle - loss + contact
    image = (decibel + rng.uniform(22, 33)) / rng.uniform(40, 58)
    image = blur(np.clip(image, 0, 1).astype(np.float32), 0.002 * size) ** rng.uniform(0.9, 1.5)
    return np.asarray(image + 0.01 * rng.standard_normal((size, size)), np.float32)


def _annotate(image: Mask, lesion: Star, rng: np.random.Generator) -> Mask:
    """Burn in what sonographers leave: calipers around the lesion (now and then elsewhere) and a label."""
    import cv2

    size = len(image)
    scale, thick = size / 420, max(1, size // 256)
    chance = rng.random()
    if chance < 0.22:
        at = np.array(lesion.center) if chance < 0.15 else rng.uniform(0.25, 0.75, 2)
        for number in range(int(rng.integers(1, 3))):
            turn = lesion.angle + number * np.pi / 2
            reach = 1.02 * lesion.radii[number] * np.array([np.sin(turn), np.cos(turn)])
            ends = [tuple(int(v) for v in (end[::-1] * size)) for end in (at - reach, at + reach)]
            for end in ends:
                cv2.drawMarker(image, end, 235, cv2.MARKER_CROSS, max(5, size // 32), thick)
            for share in np.linspace(0.08, 0.92, 14):
                dot = [round(a + share * (b - a)) for a, b in zip(*ends, strict=True)]
                if 0 <= dot[0] < size and 0 <= dot[1] < size:
                    image[dot[1], dot[0]] = max(200, image[dot[1], dot[0]])
    if rng.random() < 0.35:
        text = str(rng.choice(LABELS))
        place = (int(rng.uniform(0.03, 0.55) * size), int(rng.uniform(0.8, 0.97) * size))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 225, thick, cv2.LINE_AA)
    return image
