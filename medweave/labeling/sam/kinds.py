"""How each kind of SAM is fed: which frames of an image it sees, and how their pixels are normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medweave.labeling.prompts import Prompt
from medweave.labeling.sam.frames import Frame, Image, Pixels, cut, window_around

KindName = Literal["sam", "medsam", "compact"]
Shape = tuple[int, int]

SAM_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
SAM_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


@dataclass(frozen=True)
class Kind:
    """What distinguishes a kind of SAM, but for its weights.

    `frames` gives the frames for an image of (height, width) with the prompts that each serves, given the side of the
    encoder's input. `pixels` makes the input 3xSxS float32 of an image HxWx3 uint8 and a frame.
    """

    frames: Callable[[Shape, Sequence[Prompt], int], list[tuple[Frame, list[Prompt]]]]
    pixels: Callable[[Image, Frame, int], Pixels]
    upscales_logits: bool
    """Masks are upscaled as logits, by way of the input's size; else as probabilities."""
    estimates_iou: bool
    """The head that predicts the IoU was trained."""
    offers_three: bool
    """Points alone are ambiguous: there are three masks for them, of which the one with the best score is taken."""
    cacheable: bool
    """The encoder costs more than reading its result from disk."""
    centres: bool
    """Points keep their place within a pixel when pixels become larger; SAM's own scale the pixel's number."""


def _sam_frames(shape: Shape, prompts: Sequence[Prompt], side: int) -> list[tuple[Frame, list[Prompt]]]:
    from segment_anything.utils.transforms import ResizeLongestSide

    input_size: Shape = ResizeLongestSide.get_preprocess_shape(*shape, side)
    return [(_whole(shape, input_size), list(prompts))]


def _sam_pixels(image: Image, frame: Frame, side: int) -> Pixels:
    """Longer side to the input's, normalised by mean and deviation, padded (Kirillov et al., 2023)."""
    from segment_anything.utils.transforms import ResizeLongestSide

    resized = ResizeLongestSide(side).apply_image(image)
    pixels = np.zeros((3, side, side), np.float32)
    height, width = frame.input_size
    pixels[:, :height, :width] = ((resized - SAM_MEAN) / SAM_DEVIATION).transpose(2, 0, 1)
    return pixels


def _medsam_frames(shape: Shape, prompts: Sequence[Prompt], side: int) -> list[tuple[Frame, list[Prompt]]]:
    return [(_whole(shape, (side, side)), list(prompts))]


def _medsam_pixels(image: Image, _: Frame, side: int) -> Pixels:
    """Squashed to a square, then scaled to 0..1 by its own range (Ma et al., 2024)."""
    import cv2

    shrinks = image.shape[0] * image.shape[1] > side * side
    resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    pixels = resized.transpose(2, 0, 1).astype(np.float32)
    low, high = pixels.min(), pixels.max()
    return np.asarray((pixels - low) / max(high - low, np.float32(1e-8)), np.float32)


def _compact_frames(shape: Shape, prompts: Sequence[Prompt], side: int) -> list[tuple[Frame, list[Prompt]]]:
    """One window around each component, and the same mirrored: what both give together is better than either."""
    objects: dict[tuple[int, int], list[Prompt]] = {}
    for prompt in prompts:
        objects.setdefault((prompt.class_index, prompt.component), []).append(prompt)
    frames = []
    for alternatives in objects.values():
        window = window_around([prompt.box for prompt in alternatives if prompt.box is not None], shape)
        frames += [(Frame(window, (side, side), mirrored), alternatives) for mirrored in (False, True)]
    return frames


def _compact_pixels(image: Image, frame: Frame, side: int) -> Pixels:
    x0, y0, x1, y1 = (int(edge) for edge in frame.window)
    pixels = cut(image, (x0, y0, x1, y1), side)[0]
    return np.ascontiguousarray(pixels[:, :, ::-1]) if frame.mirrored else pixels


def _whole(shape: Shape, input_size: Shape) -> Frame:
    return Frame((0.0, 0.0, float(shape[1]), float(shape[0])), input_size)


KINDS: Mapping[KindName, Kind] = {
    "sam": Kind(
        _sam_frames,
        _sam_pixels,
        upscales_logits=True,
        estimates_iou=True,
        offers_three=True,
        cacheable=True,
        centres=False,
    ),
    "medsam": Kind(
        _medsam_frames,
        _medsam_pixels,
        upscales_logits=False,
        estimates_iou=False,
        offers_three=False,
        cacheable=True,
        centres=False,
    ),
    "compact": Kind(
        _compact_frames,
        _compact_pixels,
        upscales_logits=False,
        estimates_iou=True,
        offers_three=False,
        cacheable=False,
        centres=True,
    ),
}
