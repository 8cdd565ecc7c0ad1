"""Labels of an image table as files for other programs: PNG class maps or COCO instances, with labels.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medweave import progress
from medweave.data.coco import write_coco
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, ImageTable
from medweave.errors import InputError
from medweave.writing import new_folder

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
    with new_folder(folder) as aside:
        (aside / "masks").mkdir()
        exported = 0
        for row, mask in labels_with_masks(table, aside, len(classes), max_pixels):
            (aside / "masks" / f"{row.image_id}.png").write_bytes(encode_mask(mask * np.uint8(scale)))
            exported += 1
    return exported


def export_coco(table: ImageTable, folder: Path, classes: Sequence[str], max_pixels: int) -> int:
    """Write `annotations.json` (COCO instances) and `labels.csv` into a new folder; return the number of images in it.

    Only images with a mask are in the JSON (`name` is the image_id); see `coco.write_coco`.
    Raises InputError as `export_png`.
    """
    with new_folder(folder) as aside:
        images = (
            (
                {
                    "file_name": row.image_uri.rsplit("/", 1)[-1],
                    "coco_url": row.image_uri,
                    "name": row.image_id,
                    "height": row.height,
                    "width": row.width,
                },
                mask,
            )
            for row, mask in labels_with_masks(table, aside, len(classes), max_pixels)
        )
        return write_coco(aside / "annotations.json", classes, images)


def labels_with_masks(
    table: ImageTable, folder: Path, classes: int, max_pixels: int
) -> Iterator[tuple[ImageRow, Array]]:
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
