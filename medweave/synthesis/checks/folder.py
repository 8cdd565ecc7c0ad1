"""The checks for folders of images, outside a run."""

from __future__ import annotations

from pathlib import Path

from medweave.config import Data, SampleChecks
from medweave.data.images import list_images, read_image
from medweave.data.table import ImageRow
from medweave.errors import InputError
from medweave.synthesis.checks.pictures import Features, common_side, read_pictures
from medweave.synthesis.checks.run import Checked, check_samples


def check_folder(images: Path, training: Path, features: Features, seed: int = 0) -> Checked:
    """Check a folder of samples against the folder of images that their generator learned from.

    Raises InputError for a folder that is missing or has no images, and for an image that cannot be read.
    """
    data = Data()
    samples, real = (_rows(folder, data.max_pixels) for folder in (images, training))
    side = common_side(samples)
    pictures = [read_pictures(rows, side, data.max_pixels) for rows in (samples, real)]
    return check_samples(pictures[0], pictures[1], features, SampleChecks(), data.duplicates.distance, seed)


def _rows(folder: Path, max_pixels: int) -> list[ImageRow]:
    found = list_images(str(folder))
    if not found:
        raise InputError(f"{folder}: no images here; give a folder of PNG, JPEG, TIFF, BMP, DICOM or NIfTI files")
    shapes = [read_image(uri, max_pixels).shape[:2] for _, uri in found]
    return [ImageRow(image_id, image_id, uri, "", *shape) for (image_id, uri), shape in zip(found, shapes, strict=True)]
