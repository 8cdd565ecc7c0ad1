"""Labels of an image table as files for other programs: PNG class maps or COCO instances, with labels.csv."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medweave import progress
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, ImageTable
from medweave.errors import InputError

Array = np.ndarray[Any, Any]

COLUMNS = (
    "image_id",
    "label_source",
    "decision",
    "predicted_dice",
    "low",
    "high",
    "labeler",
    "label_id",
    "weight",
    "image_uri",
)


def export_png(table: ImageTable, folder: Path, classes: Sequence[str], max_pixels: int) -> int:
    """Write `masks/<image_id>.png` and `labels.csv` into a new folder; return the number of masks.

    Masks are 8-bit gray: 0 and 255 with one class, class numbers (1 = the first of `classes`) with several.
    Raises InputError for a folder that is not empty, an image_id that is no file name, and a mask that does not fit.
    """
    scale = 255 if len(classes) == 1 else 1
    with _new_folder(folder) as aside:
        (aside / "masks").mkdir()
        exported = 0
        for row, mask in _labels(table, aside, len(classes), max_pixels):
            (aside / "masks" / f"{row.image_id}.png").write_bytes(encode_mask(mask * np.uint8(scale)))
            exported += 1
    return exported


def export_coco(table: ImageTable, folder: Path, classes: Sequence[str], max_pixels: int) -> int:
    """Write `annotations.json` (COCO instances) and `labels.csv` into a new folder; return the number of images in it.

    Only images with a mask are in the JSON (`name` is the image_id). Each 8-connected component of a class is one
    annotation: bbox [x, y, width, height] and area in pixels, and a polygon along the pixels' edges, or uncompressed
    run lengths (column-major) where the component has holes. Format: https://cocodataset.org/#format-data
    Raises InputError as `export_png`.
    """
    images: list[dict[str, Any]] = []
    annotations = 0
    with _new_folder(folder) as aside, (aside / "annotations.json").open("w", encoding="utf-8") as file:
        categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
        file.write(f'{{"categories": {json.dumps(categories)},\n"annotations": [')
        for row, mask in _labels(table, aside, len(classes), max_pixels):
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": row.image_uri.rsplit("/", 1)[-1],
                    "coco_url": row.image_uri,
                    "name": row.image_id,
                    "height": row.height,
                    "width": row.width,
                }
            )
            for instance in instances(mask):
                file.write(",\n" if annotations else "\n")
                annotations += 1
                json.dump({"id": annotations, "image_id": len(images), **instance}, file)
        file.write(f'],\n"images": {json.dumps(images)}}}\n')
    return len(images)


def instances(mask: Array) -> Iterator[dict[str, Any]]:
    """COCO annotations (without ids) of the 8-connected components of an HxW uint8 class map."""
    import cv2

    for category in np.unique(mask[mask > 0]):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == category).astype(np.uint8), connectivity=8)
        for component in range(1, count):
            x, y, width, height, area = (int(number) for number in stats[component])
            crop = labels[y : y + height, x : x + width] == component
            polygon = _polygon(crop, x, y)
            yield {
                "category_id": int(category),
                "bbox": [x, y, width, height],
                "area": area,
                "iscrowd": 0,
                "segmentation": _runs(labels == component) if polygon is None else [polygon.ravel().tolist()],
            }


def _polygon(component: Array, x: int, y: int) -> Array | None:
    """Corners (Nx2) along the pixels' edges of the outline of a component cut out at x, y; None if it has holes.

    OpenCV follows pixel centres. At twice the size, an even coordinate lies on the low side of its pixel and an odd one
    on the high side, so that (c + 1) // 2 is the pixel's edge, and the polygon's area is the number of pixels.
    """
    import cv2

    doubled = component.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    outlines, _ = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if len(outlines) > 1:
        return None
    points = (outlines[0].reshape(-1, 2).astype(np.int64) + 1) // 2
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    corner: Array = (before != after).any(axis=1)
    polygon: Array = points[corner] + (x, y)
    return polygon


def _runs(component: Array) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths of an HxW mask: column-major, beginning with a run of zeros."""
    flat = np.concatenate([[False], component.ravel(order="F")])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges, [component.size]]))
    return {"counts": counts.tolist(), "size": list(component.shape)}


def _labels(table: ImageTable, folder: Path, classes: int, max_pixels: int) -> Iterator[tuple[ImageRow, Array]]:
    """Yield each row that has a mask, with it; list every row in `labels.csv` on the way."""
    columns = ("label_id", "mask", "made_by", "predicted_dice", "low", "high", "decision", "weight")
    seen: set[str] = set()
    with (
        (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file,
        progress.task("Exporting labels", len(table)) as task,
    ):
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for rows in table.shards(columns):
            for row in rows:
                _check_id(row.image_id, seen)
                labeler = row.made_by.get("labeler", "expert" if row.label_source == "gold" else None)
                values = {"labeler": labeler}
                writer.writerow(values[name] if name in values else getattr(row, name) for name in COLUMNS)
                if row.mask:
                    yield row, _fitting_mask(row, classes, max_pixels)
                task.advance()


def _check_id(image_id: str, seen: set[str]) -> None:
    if image_id in ("", ".", "..") or any(mark in image_id for mark in "/\\\0"):
        raise InputError(f"image_id {image_id!r}: is no file name; rename the image without slashes")
    if image_id in seen:
        raise InputError(f"image_id {image_id!r}: names two rows of the table; make the ids unique")
    seen.add(image_id)


def _fitting_mask(row: ImageRow, classes: int, max_pixels: int) -> Array:
    mask = read_mask(row.mask, classes, max_pixels)
    height, width = mask.shape
    if (height, width) != (row.height, row.width):
        raise InputError(
            f"{row.mask.uri or row.image_id}: the mask is {width}x{height} but its image is {row.width}x{row.height}; "
            "give a mask of the image's size"
        )
    return mask


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder written aside that takes its name when the block ends well and is removed otherwise."""
    folder = folder.absolute()
    aside = folder.with_name(f".{folder.name}.part")
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(f"{folder}: exists and is not an empty folder; choose a new one")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        aside.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
