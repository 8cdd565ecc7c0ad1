"""Sample sheets: images side by side, each under the mask it was made for."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np

from medweave.data import ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import decode_mask
from medweave.errors import InputError
from medweave.writing import whole_file

COLUMNS = 8
LIGHTEST = 255


def sheet(images: np.ndarray, masks: np.ndarray | None) -> np.ndarray:
    """Images NxSxSxC uint8 (C is 1 or 3) in rows of 8, and over each its mask (NxSxS uint8), as one HxWx3 uint8."""
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    rows = []
    for start in range(0, len(images), COLUMNS):
        if masks is not None:
            shades = masks[start : start + COLUMNS].astype(np.float32) * (LIGHTEST / max(1, int(masks.max())))
            rows.append(_row(np.repeat(shades.astype(np.uint8)[..., None], 3, axis=3)))
        rows.append(_row(images[start : start + COLUMNS]))
    return np.concatenate(rows)


def write_sheet(path: Path, images: np.ndarray, masks: np.ndarray | None) -> None:
    """Write a sheet as PNG, aside and then renamed. Raises InputError when the folder cannot be written."""
    from PIL import Image

    try:
        with whole_file(path) as aside:
            Image.fromarray(sheet(images, masks)).save(aside, "PNG")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); free space there") from None


def write_table_sheet(table: ImageTable, path: Path, count: int = 64) -> None:
    """Write a sheet of the first images of a table of synthetic ones. Raises InputError as `write_sheet` does."""
    rows = list(islice(table, count))
    images = [to_rgb8(read_image(row.image_uri, sys.maxsize)) for row in rows]
    masks = [decode_mask(row.mask.png) for row in rows if row.mask.png is not None]
    write_sheet(path, np.stack(images), np.stack(masks) if masks else None)


def _row(tiles: np.ndarray) -> np.ndarray:
    """Kx SxSx3 side by side, black where there are fewer than 8."""
    size = tiles.shape[1]
    row = np.zeros((size, COLUMNS * size, 3), np.uint8)
    for place, tile in enumerate(tiles):
        row[:, place * size : (place + 1) * size] = tile
    return row
