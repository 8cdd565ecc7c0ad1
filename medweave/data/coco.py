"""Masks as COCO instances and back; format: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, ValidationError

Array = np.ndarray[Any, Any]


class Runs(BaseModel):
    """Run lengths of a mask, column-major, beginning with zeros: as numbers, or compressed to text."""

    counts: list[int] | str
    size: tuple[int, int]


class Image(BaseModel):
    """An image of a COCO file."""

    id: int
    file_name: str
    height: int | None = None
    width: int | None = None


class Annotation(BaseModel):
    """An instance of a COCO file: polygons (x, y, x, y, … in pixels), run lengths, or only a box."""

    id: int
    image_id: int
    category_id: int
    segmentation: list[list[float]] | Runs = []


class Category(BaseModel):
    """A class of a COCO file."""

    id: int
    name: str


class Document(BaseModel):
    """What is read of a COCO file."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


@dataclass(frozen=True)
class CocoMasks:
    """The HxW uint8 class maps of the images that a COCO file lists, by key, and what is wrong with it."""

    masks: Mapping[str, Array]
    problems: Sequence[str]
    boxes: Sequence[str] = ()
    """The image's key of each annotation that is a box without an outline: it says nothing about pixels."""


def read_coco(data: bytes, sizes: Mapping[str, tuple[int, int]], classes: Sequence[str]) -> CocoMasks:
    """The masks of a COCO file as annotation tools export it; `sizes` are (height, width) of the images it may hold.

    An image is known by its file's name without folders and extension, and, where Label Studio has put its upload's
    number before it ('1a2b3c4d-'), without that. Categories are known by name. A pixel is in a polygon when its centre
    is, by the even-odd rule; of annotations that overlap, the later one in the file counts. An image without
    annotations has an empty mask.
    """
    try:
        document = Document.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return CocoMasks({}, [f"{where + ': ' if where else ''}{first['msg']}; export it again as COCO"])
    masks: dict[str, Array] = {}
    problems = []
    keys: dict[int, str] = {}
    for image in document.images:
        key = _key(image.file_name, sizes)
        if key is None:
            problems.append(f"{image.file_name}: is no image that was asked for; take it out")
        elif key in masks:
            problems.append(f"{image.file_name}: is listed twice; take one out")
        elif image.height and image.width and (image.height, image.width) != sizes[key]:
            told, size = f"{image.width}x{image.height}", "{1}x{0}".format(*sizes[key])
            problems.append(f"{image.file_name}: is {told} here but its image is {size}; annotate it at its own size")
        else:
            masks[key] = np.zeros(sizes[key], np.uint8)
            keys[image.id] = key
    values = {category.id: category.name for category in document.categories}
    listed = {image.id for image in document.images}
    boxes, refused = [], set()
    for annotation in document.annotations:
        name = values.get(annotation.category_id)
        if annotation.image_id not in listed:
            problems.append(
                f"annotation {annotation.id}: its image {annotation.image_id} is not listed; export it again"
            )
        elif name not in classes:
            told = f"category {annotation.category_id}" if name is None else f"the category '{name}'"
            problems.append(f"annotation {annotation.id}: {told} is no class; use {', '.join(classes)}")
            refused.add(keys.get(annotation.image_id))
        elif annotation.image_id in keys:
            key = keys[annotation.image_id]
            mask = masks[key]
            try:
                mask[_pixels(annotation.segmentation, mask.shape)] = classes.index(name) + 1
            except ValueError as error:
                problems.append(f"annotation {annotation.id}: {error}")
                refused.add(key)
            if not annotation.segmentation:
                boxes.append(key)
    return CocoMasks({key: mask for key, mask in masks.items() if key not in refused}, problems, boxes)


def _key(file_name: str, known: Mapping[str, Any]) -> str | None:
    """The key of `known` that a file's name stands for."""
    names = [of.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")[0] for of in (file_name, unquote(file_name))]
    return next((key for name in names for key in (name, re.sub(r"^[0-9a-f]{8}-", "", name)) if key in known), None)


def _pixels(segmentation: list[list[float]] | Runs, shape: tuple[int, int]) -> Array:
    """HxW bool. Raises ValueError, saying what is wrong and what to do."""
    if isinstance(segmentation, Runs):
        if segmentation.size != shape:
            raise ValueError(f"its run lengths are of size {segmentation.size}, its image of {shape}; export it again")
        counts = _uncompressed(segmentation.counts) if isinstance(segmentation.counts, str) else segmentation.counts
        if min(counts, default=0) < 0 or sum(counts) != shape[0] * shape[1]:
            raise ValueError("its run lengths do not fill the image; export it again")
        return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(shape, order="F")
    pixels = np.zeros(shape, bool)
    for polygon in segmentation:
        if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
            raise ValueError("its polygon is not three or more points x, y; draw it again")
        pixels |= _inside(np.reshape(polygon, (-1, 2)), shape)
    return pixels


def _inside(polygon: Array, shape: tuple[int, int]) -> Array:
    """HxW bool: the pixels whose centres lie in a polygon (Nx2, as x, y), by the even-odd rule."""
    height, width = shape
    crossed = np.zeros((height, width + 1), bool)
    starts = polygon - 0.5
    for (x0, y0), (x1, y1) in zip(starts, np.roll(starts, -1, axis=0), strict=True):
        top, bottom = (min(max(math.ceil(y), 0), height) for y in sorted((y0, y1)))
        rows = np.arange(top, bottom)
        if rows.size:
            x = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
            crossed[rows, np.clip(np.ceil(x), 0, width).astype(int)] ^= True
    inside: Array = np.logical_xor.accumulate(crossed, axis=1)[:, :width]
    return inside


def _uncompressed(text: str) -> list[int]:
    """Run lengths out of COCO's text: 5 bits a character, from the third on as the difference to the last but one.

    It is `rleFrString` of https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
    """
    counts: list[int] = []
    number = bits = 0
    for character in text:
        value = ord(character) - 48
        number |= (value & 0x1F) << bits
        bits += 5
        if not value & 0x20:
            if value & 0x10:
                number -= 1 << bits
            counts.append(number + counts[-2] if len(counts) > 2 else number)
            number = bits = 0
    return counts


def write_coco(path: Path, classes: Sequence[str], images: Iterable[tuple[Mapping[str, Any], Array]]) -> int:
    """Write images (what the JSON says of each, its id aside, and its HxW uint8 class map); return their number.

    Category k is the k-th of `classes`, counted from 1; see `instances` for the annotations.
    """
    listed: list[dict[str, Any]] = []
    annotations = 0
    with path.open("w", encoding="utf-8") as file:
        categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
        file.write(f'{{"categories": {json.dumps(categories)},\n"annotations": [')
        for image, mask in images:
            listed.append({"id": len(listed) + 1, **image})
            for instance in instances(mask):
                file.write(",\n" if annotations else "\n")
                annotations += 1
                json.dump({"id": annotations, "image_id": len(listed), **instance}, file)
        file.write(f'],\n"images": {json.dumps(listed)}}}\n')
    return len(listed)


def instances(mask: Array) -> Iterator[dict[str, Any]]:
    """COCO annotations (without ids) of the 8-connected components of an HxW uint8 class map.

    Each has bbox [x, y, width, height] and area in pixels, and one polygon along the pixels' edges.
    """
    import cv2

    for category in np.unique(mask[mask > 0]):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == category).astype(np.uint8), connectivity=8)
        for component in range(1, count):
            x, y, width, height, area = (int(number) for number in stats[component])
            crop = labels[y : y + height, x : x + width] == component
            yield {
                "category_id": int(category),
                "bbox": [x, y, width, height],
                "area": area,
                "iscrowd": 0,
                "segmentation": [(_polygon(crop) + np.array([x, y])).ravel().tolist()],
            }


def _polygon(component: Array) -> Array:
    """Corners (Nx2, as x, y) along the pixels' edges of a component's outline.

    A hole is joined to the outline by a cut along pixels' edges, there and back: an annotation is one polygon then,
    which Label Studio needs (it reads no run lengths), and by any fill rule it covers the component exactly.
    """
    import cv2

    doubled = component.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    outlines, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    is_hole = hierarchy[0, :, 3] >= 0
    polygon = _corners(outlines[int(np.argmin(is_hole))])
    for index in np.flatnonzero(is_hole):
        hole = _corners(outlines[int(index)])
        distance = np.abs(polygon[:, None] - hole).sum(axis=2)
        here, there = np.unravel_index(np.argmin(distance), distance.shape)
        loop = np.roll(hole, -int(there), axis=0)
        bend = [[loop[0, 0], polygon[here, 1]]]
        polygon = np.concatenate([polygon[: here + 1], bend, loop, loop[:1], bend, polygon[here:]])
    return polygon


def _corners(outline: Array) -> Array:
    """Where an outline of OpenCV's, found at twice the size, turns: corners of pixels.

    OpenCV follows pixel centres. At twice the size, an even coordinate lies on the low side of its pixel and an odd one
    on the high side, so that (c + 1) // 2 is the pixel's edge, and the polygon's area is the number of pixels.
    """
    points = (outline.reshape(-1, 2).astype(np.int64) + 1) // 2
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    corner: Array = (before != after).any(axis=1)
    corners: Array = points[corner]
    return corners
