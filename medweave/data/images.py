"""Images as arrays: PNG, JPEG, TIFF, BMP, DICOM and NIfTI slices, from a local path or any fsspec URI."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from medweave.data.decoding import UnfitError, decode
from medweave.errors import InputError, first_line

Array = np.ndarray[Any, Any]

EXTENSIONS = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")

LOOKED_INTO = 100
"""In how many subfolders of a folder images are looked for, as a store may have very many."""


class UnreadableImageError(InputError):
    """A file that is missing, empty, damaged, too large, of a kind that is not read or of a name that is not UTF-8."""


def read_bytes(uri: str) -> bytes:
    """Content of a local path or fsspec URI (s3://, memory://, file://).

    Raises UnreadableImageError for a file that is missing, empty or out of reach.
    """
    import fsspec

    path = _local_path(uri)
    try:
        if path is not None:
            data = path.read_bytes()
        else:
            with fsspec.open(uri, "rb") as file:
                data = file.read()
    except FileNotFoundError:
        raise UnreadableImageError(f"{uri}: no such file; check the path") from None
    except Exception as error:  # storage clients raise errors of their own
        raise UnreadableImageError(
            f"{uri}: cannot be read ({first_line(error)}); check the path and the access"
        ) from error
    if not data:
        raise UnreadableImageError(f"{uri}: is empty; replace or remove it")
    return data


def list_images(folder: str) -> list[tuple[str, str]]:
    """The (image_id, URI) of each file in a folder with a known extension, sorted; hidden files are left out.

    An image_id is the file's name without its extension; two files with the same id are both listed. Local files come
    back as plain absolute paths. Subfolders are not searched. Raises InputError for a missing folder, and
    UnreadableImageError for a file whose name is not UTF-8.
    """
    return list_folder(folder)[0]


def list_folder(folder: str) -> tuple[list[tuple[str, str]], list[str]]:
    """A folder's images, see `list_images`, and the URIs of its subfolders, sorted; hidden ones are left out."""
    import fsspec

    path = _local_path(folder)
    try:
        if path is not None:
            entries = list(path.absolute().iterdir())
            files = [str(entry) for entry in entries if entry.is_file()]
            folders = [str(entry) for entry in entries if entry.is_dir()]
        else:
            fs, root = fsspec.core.url_to_fs(folder)
            fs.invalidate_cache(root)
            if not fs.isdir(root):
                raise FileNotFoundError
            kinds = {fs.unstrip_protocol(entry["name"]): entry["type"] for entry in fs.ls(root, detail=True)}
            files = [uri for uri, kind in kinds.items() if kind == "file"]
            folders = [uri for uri, kind in kinds.items() if kind == "directory"]
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder; check the path") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: is not a folder; give the folder that holds the images") from None
    except Exception as error:  # storage clients raise errors of their own
        raise InputError(f"{folder}: cannot be listed ({first_line(error)}); check the path and the access") from error
    named = [(_name(uri), uri) for uri in files]
    found = sorted((id_of_file(name), uri) for name, uri in named if id_of_file(name) and not name.startswith("."))
    for _, uri in found:
        if _printable(uri) != uri:
            raise UnreadableImageError(f"{_printable(uri)}: the name is not UTF-8; rename the file")
    return found, sorted(uri for uri in folders if not _name(uri).startswith("."))


def skipped_images(subfolders: Sequence[str]) -> str | None:
    """What to tell of the images right in a folder's subfolders, which are not read; None where there are none.

    Only the first `LOOKED_INTO` subfolders are looked into, and none that cannot be listed.
    """
    counts: dict[str, int] = {}
    for subfolder in subfolders[:LOOKED_INTO]:
        with suppress(InputError):
            counts[_printable(_name(subfolder))] = len(list_images(subfolder))
    holding = [name for name, count in counts.items() if count]
    if not holding:
        return None
    least = "at least " if len(subfolders) > LOOKED_INTO else ""
    return f"{least}{sum(counts.values())} image files in its subfolders (such as {holding[0]}) are not read"


def id_of_file(name: str) -> str:
    """An image file's name without its known extension, or '' if it has none."""
    return next((name[: -len(ext)] for ext in EXTENSIONS if name.lower().endswith(ext)), "")


def read_image(uri: str, max_pixels: int) -> Array:
    """Read and decode an image; see `read_bytes` and `decode_image`."""
    return decode_image(read_bytes(uri), uri, max_pixels)


def decode_image(data: bytes, name: str, max_pixels: int, *, labels: bool = False) -> Array:
    """Decode an image file, whose format is told by its content.

    Returns HxW (gray) or HxWx3 (RGB), uint8, uint16 or float32. Alpha is dropped, the EXIF orientation is applied and
    palettes become RGB. DICOM: rescaled (float32 where that changes values); a VOI window maps to 0..255 (uint8);
    MONOCHROME1 is inverted (within the image's own range unless uint8). NIfTI: rows are y, columns are x.
    With `labels`, class numbers are kept: the indices of a coloured palette, the stored values of a DICOM file; and
    alpha that is not opaque everywhere is refused, as it may be what holds them.

    Raises UnreadableImageError, naming `name`, for no image, a damaged or truncated one, non-finite pixels, volumes,
    and for more than `max_pixels` pixels, which the header tells before any pixel is decoded.
    """
    if not data:
        raise UnreadableImageError(f"{name}: is empty; replace or remove it")
    try:
        return decode(data, max_pixels, labels)
    except UnfitError as reason:
        raise UnreadableImageError(f"{name}: {reason}") from None
    except Exception as error:  # decoders raise errors of every kind on damaged files
        raise UnreadableImageError(
            f"{name}: is damaged or truncated ({first_line(error)}); replace or remove it"
        ) from error


def to_rgb8(image: Array) -> Array:
    """HxWx3 uint8 of an HxW or HxWx3 image; gray is repeated.

    uint8 is unchanged; other types are scaled linearly between their 0.5 and 99.5 percentiles (over all channels;
    between minimum and maximum where those are equal). A constant image becomes zeros.
    """
    if image.dtype != np.uint8:
        low, high = np.percentile(image, (0.5, 99.5))
        if low == high:
            low, high = float(image.min()), float(image.max())
        unit = np.clip((image.astype(np.float64) - low) / ((high - low) or 1.0), 0.0, 1.0)
        image = np.rint(unit * 255.0).astype(np.uint8)
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def encode_image(image: Array) -> bytes:
    """PNG of an HxWx3 uint8 RGB image; lossless."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _name(uri: str) -> str:
    return uri.rstrip("/").rsplit("/", 1)[-1]


def _printable(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _local_path(uri: str) -> Path | None:
    if "://" in uri and not uri.startswith("file://"):
        return None
    return Path(uri.removeprefix("file://")).expanduser()
