"""Endless training images: a scene of any look, photographed at random, with the masks of its objects."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from medweave.compact.scenes.dermoscopy import dermoscopy_scene
from medweave.compact.scenes.generic import generic_scene
from medweave.compact.scenes.shapes import one_piece
from medweave.compact.scenes.textures import Field, Mask, blurred
from medweave.compact.scenes.ultrasound import ultrasound_scene
from medweave.compact.scenes.xray import xray_scene

SIZE = 288
LOOKS = {
    "generic": (generic_scene, 0.26),
    "ultrasound": (ultrasound_scene, 0.26),
    "dermoscopy": (dermoscopy_scene, 0.24),
    "xray": (xray_scene, 0.24),
}
INVERTED = {"generic": 0.5, "xray": 0.05}
LEAST_AREA = 0.004


@dataclass(frozen=True)
class Scene:
    """An image SxSx3 uint8 and the masks of its objects, KxSxS uint8 of 0 and 1 (K >= 1), each in one piece."""

    image: Mask
    masks: Mask


def make_scene(seed: tuple[int, ...], size: int = SIZE) -> Scene:
    """The scene of a seed: always the same one."""
    rng = np.random.default_rng(seed)
    shares = np.array([share for _, share in LOOKS.values()])
    while True:
        look = list(LOOKS)[rng.choice(len(LOOKS), p=shares / shares.sum())]
        image, masks = LOOKS[look][0](rng, size)
        pieces = [one_piece(mask) for mask in masks]
        kept = [mask for mask in pieces if LEAST_AREA < mask.mean() < 0.9]
        if kept:
            return Scene(_photographed(rng, image, look), np.stack(kept))


def _photographed(rng: np.random.Generator, image: Field, look: str) -> Mask:
    size = len(image)
    if image.ndim == 2:
        if rng.random() < INVERTED.get(look, 0.0):
            image = 1 - image
        image = np.repeat(image[..., None], 3, axis=2)
        if look == "generic" and rng.random() < 0.4:
            image = _coloured(rng, image)
    if rng.random() < 0.5:
        image = blurred(image, rng.uniform(0, 1.2))
    grain = rng.standard_normal((size, size, 3 if look == "dermoscopy" else 1), np.float32)
    image = image + np.float32(rng.exponential(0.012)) * grain
    if look != "ultrasound" and rng.random() < 0.3:
        image = (image - image.mean()) * np.float32(rng.uniform(0.3, 1)) + np.float32(rng.uniform(0.3, 0.7))
    pixels = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return _annotated(rng, pixels) if rng.random() < 0.25 else pixels


def _coloured(rng: np.random.Generator, image: Field) -> Field:
    """Brightness as a way between colours."""
    colours = rng.uniform(0, 1, (3, 3)).astype(np.float32)
    colours[0] *= 0.5
    colours[2] = 0.5 + 0.5 * colours[2]
    stops = np.array([0, 0.5, 1])
    return np.stack([np.interp(image[..., c], stops, colours[:, c]) for c in range(3)], axis=2).astype(np.float32)


def _annotated(rng: np.random.Generator, image: Mask) -> Mask:
    """Burned-in text and caliper marks."""
    size = len(image)
    colour = [int(v) for v in (rng.uniform(150, 255, 3) if rng.random() < 0.3 else np.full(3, rng.uniform(180, 255)))]
    for _ in range(rng.integers(0, 3)):
        text = "".join(rng.choice(list("ABCDELRT 0123456789-:"), int(rng.integers(1, 10))))
        at = int(rng.uniform(0, 0.9) * size), int(rng.uniform(0.05, 1) * size)
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.25, 0.8), colour, 1, cv2.LINE_AA)
    if rng.random() < 0.6:
        ends = [tuple(int(v) for v in rng.uniform(0.1, 0.9, 2) * size) for _ in range(2)]
        for end in ends:
            cv2.drawMarker(image, end, colour, cv2.MARKER_CROSS, int(rng.integers(5, 13)), 1)
        for share in np.linspace(0, 1, int(rng.integers(8, 30))):
            x, y = (round(a + share * (b - a)) for a, b in zip(*ends, strict=True))
            image[y, x] = colour
    return image
