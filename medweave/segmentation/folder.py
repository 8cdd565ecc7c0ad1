"""Segment the images of a folder into a folder of masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from medweave import progress
from medweave.data.dicomseg import Maker, write_dicomseg
from medweave.data.images import list_folder, read_image, skipped_images, to_rgb8
from medweave.data.masks import encode_mask
from medweave.errors import InputError
from medweave.segmentation.segmenter import Segmenter
from medweave.writing import whole_file

MAX_PIXELS = 100_000_000


@dataclass
class Predicted:
    """How many masks were written, and one line for each image that could not be read."""

    written: int = 0
    problems: list[str] = field(default_factory=list)


def predict_folder(
    segmenter: Segmenter, images: Path, output: Path, format_: Literal["png", "dicomseg"] = "png"
) -> Predicted:
    """Write `<output>/<image name>.png` for each image, at the image's size, or `.dcm` for DICOM images.

    In a PNG one foreground class is written as 0 / 255, several as class numbers. Raises InputError, before anything is
    written, for a folder that is missing or has no images, for two images of one name, and for an output in which masks
    would lie among the images or replace one; and for an output that cannot be written.
    """
    found, subfolders = list_folder(str(images))
    if skipped := skipped_images([uri for uri in subfolders if Path(uri) != output.absolute()]):
        progress.say(f"warning: {images}: {skipped}; move them up into it, or give their folder")
    if not found:
        raise InputError(f"{images}: no images here; give a folder of PNG, JPEG, TIFF, BMP, DICOM or NIfTI files")
    twice = [image_id for image_id, count in Counter(image_id for image_id, _ in found).items() if count > 1]
    if twice:
        raise InputError(f"{images}: two images are named '{twice[0]}'; their masks would be one file; rename one")
    result = Predicted()
    scale = 255 if len(segmenter.card.classes) == 1 else 1
    targets = {image_id: output / f"{image_id}.{'png' if format_ == 'png' else 'dcm'}" for image_id, _ in found}
    try:
        output.mkdir(parents=True, exist_ok=True)
        if output.samefile(images):
            raise InputError(f"{output}: is the folder of the images; choose another for the masks")
        inputs = {_file(Path(uri)) for _, uri in found}
        for path in targets.values():
            if path.exists() and _file(path) in inputs:
                raise InputError(f"{path}: is one of the images; choose another folder for the masks")
        with progress.task("predict", len(found)) as shown:
            read: list[tuple[str, str]] = []

            def readable() -> Iterator[np.ndarray]:
                for image_id, uri in found:
                    try:
                        image = to_rgb8(read_image(uri, MAX_PIXELS))
                    except InputError as error:
                        result.problems.append(str(error))
                        continue
                    read.append((image_id, uri))
                    yield image

            for mask in segmenter.predict_masks(readable()):
                image_id, uri = read[result.written]
                with whole_file(targets[image_id]) as aside:
                    if format_ == "png":
                        aside.write_bytes(encode_mask(mask * np.uint8(scale)))
                    else:
                        write_dicomseg(uri, mask, segmenter.card.classes, Maker("medweave", segmenter.digest), aside)
                result.written += 1
                shown.advance()
    except OSError as error:
        raise InputError(
            f"{output}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from None
    return result


def _file(path: Path) -> tuple[int, int]:
    """What a file is known by, whatever links lead to it."""
    found = path.stat()
    return found.st_dev, found.st_ino
