"""Pixels out of the bytes of an image file whose format its content tells: rasters, DICOM and NIfTI slices."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]

RASTERS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}


class UnfitError(Exception):
    """Why an image is refused, as the rest of a sentence that begins with its name."""


def decode(data: bytes, max_pixels: int, labels: bool) -> Array:
    """See `medweave.data.images.decode_image`, which names the file in the errors.

    Raises UnfitError for what is refused, and whatever the decoders raise for damaged files.
    """
    reader = _reader(data)
    if reader is None:
        raise UnfitError("is not an image (PNG, JPEG, TIFF, BMP, DICOM or NIfTI by content); replace or remove it")
    return np.ascontiguousarray(_narrow(reader(data, max_pixels, labels)))


def is_jpeg(data: bytes) -> bool:
    """Whether a file's content is (lossy) JPEG."""
    return data.startswith(b"\xff\xd8\xff")


def _reader(data: bytes) -> Callable[[bytes, int, bool], Array] | None:
    # DICOM files without the 128-byte preamble begin with an element of group 2 or 8
    if data[128:132] == b"DICM" or data[:2] in (b"\x02\0", b"\x08\0"):
        return _decode_dicom
    if any(data.startswith(magic) for magic in RASTERS):
        return _decode_raster
    return _decode_nifti if _nifti_magic(data) else None


def _check_size(height: int, width: int, max_pixels: int) -> None:
    if height < 1 or width < 1:
        raise UnfitError("holds no pixels; replace or remove it")
    if height * width > max_pixels:
        raise UnfitError(
            f"is {width}x{height} pixels, more than data.max_pixels = {max_pixels}; scale it down or raise the limit"
        )


def _narrow(pixels: Array) -> Array:
    """The same values as uint8, uint16 or finite float32."""
    if pixels.dtype.kind not in "uif":
        raise UnfitError(f"holds pixels of type {pixels.dtype}; convert it to 8 or 16 bits or 32-bit float")
    if pixels.dtype.kind == "u" and pixels.itemsize <= 2:
        return pixels.astype(np.uint8 if pixels.itemsize == 1 else np.uint16, copy=False)
    with np.errstate(over="ignore"):
        narrow = pixels.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise UnfitError("holds non-finite pixels (NaN or infinity); mend or remove it")
    return narrow


def _decode_raster(data: bytes, max_pixels: int, labels: bool) -> Array:
    # The plugin's class is used, not Image.open, whose own limit of pixels would come before max_pixels.
    from PIL import ImageOps
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.Image import DecompressionBombError
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.TiffImagePlugin import TiffImageFile

    plugins: dict[str, Any] = {"PNG": PngImageFile, "JPEG": JpegImageFile, "BMP": BmpImageFile, "TIFF": TiffImageFile}
    kind = next(kind for magic, kind in RASTERS.items() if data.startswith(magic))
    image = plugins[kind](io.BytesIO(data))
    _check_size(image.height, image.width, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnfitError(f"holds {frames} pages or frames; save each as an image of its own")
    layout = str(image.tile[0]) if image.tile else ""
    deep = kind in ("PNG", "TIFF") and ";16" in layout and image.mode in ("RGB", "RGBA", "LA", "CMYK")
    white_is_zero = kind == "TIFF" and image.mode.startswith("I;16") and image.tag_v2.get(262) == 0
    orientation = image.getexif().get(0x0112, 1)
    try:
        image.load()  # raises for a truncated file
    except DecompressionBombError:
        raise UnfitError(f"is a {kind} of more pixels than Pillow decodes; save it as PNG or scale it down") from None
    if labels and image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise UnfitError("is a mask with transparency, which is not read; save it without alpha, values as gray levels")
    if deep:
        pixels = _decode_deep_colour(data, kind, image.mode, orientation)
        return pixels[:, :, 0] if "LA;16" in layout else pixels
    image = ImageOps.exif_transpose(image)
    if image.mode == "P" and labels and not _has_gray_palette(image):
        return np.asarray(image)
    if image.mode in ("1", "L", "LA", "La"):
        image = image.convert("L")
    elif image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return np.iinfo(np.uint16).max - pixels if white_is_zero else pixels


def _decode_deep_colour(data: bytes, kind: str, mode: str, orientation: int) -> Array:
    """16 bits a channel with OpenCV, as Pillow reduces colour to 8."""
    import cv2

    if mode == "CMYK":
        raise UnfitError("is 16-bit CMYK; convert it to RGB")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise UnfitError(f"is a 16-bit {kind} of a kind that is not read; save it uncompressed or as PNG")
    turned = pixels if kind == "TIFF" else _orient(pixels, orientation)  # OpenCV turns TIFF, but not PNG
    return turned[:, :, 2::-1]


def _orient(pixels: Array, orientation: int) -> Array:
    """Apply an EXIF orientation (1 to 8) to HxW... pixels."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _has_gray_palette(image: Image) -> bool:
    palette = np.reshape(image.getpalette("RGB") or [], (-1, 3))
    used = palette[np.unique(np.asarray(image))]
    return bool((used == used[:, :1]).all())


def _decode_dicom(data: bytes, max_pixels: int, labels: bool) -> Array:
    import pydicom
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if "Rows" not in dataset or "Columns" not in dataset:
        raise UnfitError("is a DICOM file without an image, or cut off before it; replace or remove it")
    _check_size(dataset.Rows, dataset.Columns, max_pixels)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise UnfitError(f"is a DICOM file of {frames} frames; save each frame as an image of its own")
    if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
        dataset.ensure_file_meta()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    try:
        pixels: Array = pixel_array(dataset)
    except RuntimeError as error:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise UnfitError(
            f"is DICOM, damaged or compressed in a way that is not read ({syntax}); decompress it"
        ) from error
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR" and not labels:
        return np.asarray(apply_color_lut(pixels, dataset))
    if labels or pixels.ndim == 3:
        return pixels
    values: Array = apply_modality_lut(pixels, dataset)
    if np.array_equal(values, pixels):
        values = pixels
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        with np.errstate(over="ignore"):  # a sigmoid window of the far ends, which tell its lowest and highest value
            low, high = apply_voi_lut(np.array([-1e12, 1e12]), dataset, prefer_lut=False)
            inside: Array = apply_voi_lut(values, dataset, prefer_lut=False)
        shown: Array = np.rint(255.0 * (inside - low) / (high - low)).astype(np.uint8)
    else:
        shown = _narrow(apply_voi_lut(values, dataset))
    if photometric != "MONOCHROME1":
        return shown
    top = 255.0 if shown.dtype == np.uint8 else float(shown.min()) + float(shown.max())
    inverted: Array = top - shown.astype(np.float64)
    return inverted.astype(shown.dtype)


def _nifti_magic(data: bytes) -> bool:
    try:
        head = _plain(data).read(348)
    except (OSError, EOFError, zlib.error):
        return False
    return head[4:8] in (b"n+2\0", b"ni2\0") or head[344:348] in (b"n+1\0", b"ni1\0")


def _plain(data: bytes) -> io.BufferedIOBase:
    """The content as a stream, unzipped as it is read."""
    return gzip.GzipFile(fileobj=io.BytesIO(data)) if data[:2] == b"\x1f\x8b" else io.BytesIO(data)


def _decode_nifti(data: bytes, max_pixels: int, labels: bool) -> Array:  # noqa: ARG001
    import nibabel

    head = _plain(data).read(348)
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        raise UnfitError("is a NIfTI header whose pixels are in another file; save it as one .nii file")
    kind = nibabel.Nifti2Image if head[4:7] == b"n+2" else nibabel.Nifti1Image
    image = kind.from_stream(_plain(data))
    shape = image.shape
    sizes = shape if len(shape) == 2 else tuple(size for size in shape if size != 1)
    if len(sizes) != 2:
        raise UnfitError(f"is a NIfTI volume of shape {'x'.join(map(str, shape))}; save each slice as an image")
    _check_size(sizes[1], sizes[0], max_pixels)
    pixels: Array = np.asanyarray(image.dataobj).reshape(sizes, order="F")
    if pixels.dtype.names:
        pixels = np.stack([pixels[channel] for channel in "RGB"], axis=-1)
    return pixels.swapaxes(0, 1)
