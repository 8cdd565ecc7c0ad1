"""Training batches: windows cut from scenes as the labeler cuts them, with prompts that err as coarse models do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from medweave.compact.scenes.scenes import Scene, make_scene
from medweave.compact.scenes.shapes import one_piece
from medweave.compact.scenes.textures import Mask
from medweave.labeling.prompts import Box
from medweave.labeling.sam.frames import Window, cut, window_around

WHOLE = 0.12
"""Share of batches that show whole images, as for prompts without a box."""
LEAST_PIXELS = 60
FIRST_POOL, GROWTH = 192, 4
SCENES, WINDOWS, PROMPTS, HELD_OUT = range(4)
"""What a random stream is for: the second number of its seed."""


class Batch(NamedTuple):
    """B windows. Coordinates are in pixels of the input, labels 1, 0 or -1 (object, background, no point)."""

    inputs: torch.Tensor
    """Bx3xSxS float32, standardised."""
    targets: torch.Tensor
    """BxS/2xS/2 float32: the share of each low-resolution pixel that is the object."""
    boxes: torch.Tensor
    """Bx4 float32."""
    points: torch.Tensor
    """BxNx2 float32."""
    labels: torch.Tensor
    """BxN int64."""
    whole: bool
    """Whether whole images are shown, not windows around the object."""

    def to(self, device: str | torch.device) -> Batch:
        """The same batch on this device."""
        return self._replace(**{name: getattr(self, name).to(device) for name in self._fields[:-1]})


@dataclass(frozen=True)
class View:
    """A part of a scene taken for an image: HxWx3 uint8, HxW mask of one object, the object's box."""

    image: Mask
    mask: Mask
    box: Box


class Windows(Dataset[Batch]):
    """Batch number i, always the same for the same seed.

    Batch i draws from the scenes after number i*`fresh`, of a pool that grows with i up to `pool`: a scene is used
    again and again in other windows before it goes, as drawing one costs ten times as much as cutting a window.
    """

    def __init__(self, seed: int, batch: int, side: int, fresh: float = 2.0, pool: int = 1024) -> None:
        self._seed, self._batch, self._side, self._fresh, self._pool = seed, batch, side, fresh, pool
        self._scenes: dict[int, Scene] = {}

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((self._seed, WINDOWS, index))
        first = int(index * self._fresh)
        for gone in [number for number in self._scenes if number < first]:
            del self._scenes[gone]
        numbers = rng.integers(first, first + min(self._pool, FIRST_POOL + GROWTH * index), self._batch)
        return make_batch(rng, [self._scene(int(number)) for number in numbers], self._side, rng.random() < WHOLE)

    def _scene(self, number: int) -> Scene:
        if number not in self._scenes:
            self._scenes[number] = make_scene((self._seed, SCENES, number))
        return self._scenes[number]


def make_batch(rng: np.random.Generator, scenes: list[Scene], side: int, whole: bool) -> Batch:
    """One window of each scene, all with equally many points."""
    cv2.setNumThreads(1)
    positive, negative = int(rng.integers(1, 4)), int(rng.integers(0, 5))
    rows = []
    for scene in scenes:
        view = draw_view(rng, scene)
        box = jittered(rng, view.box, view.mask.shape)
        window = window_around([] if whole else [_other_context(rng, box)], view.mask.shape)
        points, labels = _points(rng, view, positive, negative)
        scale, corner = side / (window[2] - window[0]), np.array(window[:2])
        pixels, _ = cut(view.image, window, side)
        rows.append(
            (
                pixels,
                low_resolution(view.mask, window, side // 2),
                np.array(box) * scale - np.tile(corner, 2) * scale,
                (points + 0.5 - corner) * scale - 0.5,
                labels,
            )
        )
    inputs, targets, boxes, points, labels = (np.stack(column) for column in zip(*rows, strict=True))
    return Batch(
        torch.from_numpy(inputs),
        torch.from_numpy(targets),
        torch.from_numpy(boxes).float(),
        torch.from_numpy(points).float(),
        torch.from_numpy(labels),
        whole,
    )


def draw_view(rng: np.random.Generator, scene: Scene) -> View:
    """Crop a scene to an image of another shape, flip it and change its tones; the object may touch the border."""
    mask = scene.masks[int(rng.integers(len(scene.masks)))]
    image, part = scene.image, mask
    if rng.random() < 0.7:
        rows, columns = _crop(rng, mask)
        piece = one_piece(np.ascontiguousarray(mask[rows, columns]))
        if piece.sum() > max(LEAST_PIXELS, 0.5 * mask.sum()):
            image, part = image[rows, columns], piece
    if rng.random() < 0.5:
        image, part = image[:, ::-1], part[:, ::-1]
    if rng.random() < 0.15:
        image, part = image[::-1], part[::-1]
    if rng.random() < 0.4:
        tones = 255 * (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.35))
        image = np.asarray(cv2.LUT(np.ascontiguousarray(image), np.round(tones).astype(np.uint8)), np.uint8)
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(part))
    return View(np.ascontiguousarray(image), np.ascontiguousarray(part), (x, y, x + width, y + height))


def jittered(rng: np.random.Generator, box: Box, shape: tuple[int, ...]) -> Box:
    """The box with each side moved by up to 25 % of the box's size, now and then all outwards or all inwards."""
    x0, y0, x1, y1 = box
    extent = np.tile([x1 - x0, y1 - y0], 2)
    outwards = np.array([-1, -1, 1, 1]) * rng.choice([0, rng.uniform(-0.1, 0.15)], p=[0.6, 0.4])
    shift = extent * (rng.uniform(-1, 1, 4) * rng.uniform(0, 0.2) + outwards)
    limits = np.tile([shape[1], shape[0]], 2)
    moved = np.clip(np.array(box) + shift, 0, limits)
    return float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3])


def low_resolution(mask: Mask, window: Window, side: int) -> NDArray[np.float32]:
    """The share of each pixel of the window at `side`x`side` that is the object; nothing beyond the image is."""
    x0, y0, x1, y1 = window
    shift = np.array([[1, 0, -x0], [0, 1, -y0]], np.float32)
    inside = cv2.warpAffine(mask.astype(np.float32), shift, (x1 - x0, y1 - y0), flags=cv2.INTER_NEAREST)
    scaling = cv2.INTER_AREA if x1 - x0 > side else cv2.INTER_LINEAR
    return np.asarray(np.clip(cv2.resize(inside, (side, side), interpolation=scaling), 0, 1), np.float32)


def _other_context(rng: np.random.Generator, box: Box) -> Box:
    """The box made larger or smaller about its middle, so that the window is 1.6 to 2.6 times as long as the box."""
    x0, y0, x1, y1 = box
    factor = rng.uniform(0.8, 1.3) / 2
    middle, half = np.array([x0 + x1, y0 + y1]) / 2, factor * np.array([x1 - x0, y1 - y0])
    low, high = middle - half, middle + half
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _crop(rng: np.random.Generator, mask: Mask) -> tuple[slice, slice]:
    size = len(mask)
    zoom = rng.uniform(0.55, 1) if rng.random() < 0.4 else 1.0
    height, width = (round(size * zoom * share) for share in rng.permutation([1.0, rng.uniform(0.6, 1.0)]))
    top, left = int(rng.integers(0, size - height + 1)), int(rng.integers(0, size - width + 1))
    return slice(top, top + height), slice(left, left + width)


def _points(
    rng: np.random.Generator, view: View, positive: int, negative: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points Nx2 (column, row) and their labels: the first one well inside, negative ones near the box."""
    x0, y0, x1, y1 = view.box
    extent, low = np.array([x1 - x0, y1 - y0]), np.array([x0, y0])
    depth = cv2.distanceTransform(np.pad(view.mask[y0:y1, x0:x1], 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    deep = np.flatnonzero(depth > rng.uniform(0, 0.8) * depth.max())
    rows, columns = np.divmod(deep[rng.integers(len(deep), size=positive)], x1 - x0)
    points = [low + np.stack([columns, rows], axis=1)]
    around = low + extent * rng.uniform(-0.3, 1.3, (negative, 2))
    around = np.clip(around, 0, np.array(view.mask.shape[::-1]) - 1).astype(np.int64)
    outside = view.mask[around[:, 1], around[:, 0]] == 0
    labels = np.concatenate([np.ones(positive, np.int64), np.where(outside, 0, -1)])
    return np.concatenate([*points, around]).astype(np.float64), labels
