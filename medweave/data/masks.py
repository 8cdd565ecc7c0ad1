"""Masks as integer class maps (0 is the background): made ones exactly, foreign ones checked."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from medweave.data.decoding import is_jpeg
from medweave.data.images import decode_image, read_bytes
from medweave.data.table import MaskRef
from medweave.errors import InputError

Array = np.ndarray[Any, Any]

NOISE = 32
"""How far JPEG compression may move a black or white pixel of a mask (gray levels of 255)."""


def encode_mask(mask: Array) -> bytes:
    """PNG of an HxW uint8 class map; lossless."""
    from PIL import Image

    if mask.dtype != np.uint8 or mask.ndim != 2 or 0 in mask.shape:
        raise ValueError(f"a mask is HxW uint8, not {mask.dtype} of shape {mask.shape}")
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def decode_mask(data: bytes) -> Array:
    """The HxW uint8 class map that `encode_mask` encoded.

    Raises UnreadableImageError (an InputError) for damaged bytes and InputError for another kind of image.
    """
    name = "mask in the table"
    mask = decode_image(data, name, sys.maxsize)
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise InputError(f"{name}: is not an 8-bit gray PNG; make the labels again")
    return mask


def raw_mask(data: bytes, name: str, max_pixels: int) -> Array:
    """The HxW integers (uint8, uint16 or int64) that a mask file holds, before they are taken as classes.

    Colours must have equal channels; a coloured palette counts by its indices. A JPEG, which is lossy, must be black
    and white but for compression noise, and comes back as 0 and 255 (threshold at 127).
    Raises InputError naming `name` for anything else, and UnreadableImageError for what `decode_image` refuses.
    """
    mask = decode_image(data, name, max_pixels, labels=True)
    if mask.ndim == 3:
        if (mask != mask[:, :, :1]).any():
            raise InputError(f"{name}: is a colour image, not a mask; save the class numbers as a gray PNG")
        mask = mask[:, :, 0]
    if is_jpeg(data):
        return _black_and_white(mask, name)
    if mask.dtype == np.float32:
        if (mask != np.rint(mask)).any():
            raise InputError(f"{name}: holds fractional values, not class numbers; threshold it and save a PNG")
        return mask.astype(np.int64)
    return mask


def foreign_values(raw: Array, classes: int) -> list[int]:
    """Values of a raw mask that are no class, ascending.

    With one class a mask is within {0, 1} or {0, 255} (where 1 and 255 meet, 1 is foreign); with several it holds the
    class numbers 0 to `classes`.
    """
    values = [int(value) for value in np.unique(raw)]
    if classes > 1:
        return [value for value in values if not 0 <= value <= classes]
    foreground = 255 if 255 in values else 1
    return [value for value in values if value not in (0, foreground)]


def read_mask(ref: MaskRef, classes: int, max_pixels: int) -> Array:
    """The HxW uint8 class map (0 to `classes`) of a mask.

    Made masks (PNG bytes) come back exactly. Files may have any image format; with one class, 255 is read as 1.
    Raises InputError naming the file and its values that are no class (see `raw_mask`, `foreign_values`).
    """
    if ref.png is not None:
        return decode_mask(ref.png)
    if ref.uri is None:
        raise ValueError("there is no mask to read")
    raw = raw_mask(read_bytes(ref.uri), ref.uri, max_pixels)
    foreign = foreign_values(raw, classes)
    if foreign:
        shown = ", ".join(map(str, foreign[:10])) + (", …" if len(foreign) > 10 else "")
        allowed = "0 and 255, or 0 and 1" if classes == 1 else f"0 to {classes}"
        raise InputError(
            f"{ref.uri}: holds the values {shown}, which are no class; use {allowed} (see data.classes, or --classes)"
        )
    return (raw > 0).astype(np.uint8) if classes == 1 else raw.astype(np.uint8)


def _black_and_white(mask: Array, name: str) -> Array:
    bright = mask > 127
    between = np.mean((mask >= NOISE) & (mask <= 255 - NOISE))
    if between > 0.05 or (mask.any() and not bright.any()):
        raise InputError(f"{name}: is a JPEG that is not black and white, its classes are lost; give a PNG mask")
    return np.where(bright, 255, 0).astype(np.uint8)
