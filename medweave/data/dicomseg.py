"""Masks of DICOM images as DICOM Segmentation objects, which viewers and archives show over their image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medweave import __version__
from medweave.data.export import labels_with_masks
from medweave.data.images import read_bytes
from medweave.data.table import ImageTable
from medweave.errors import InputError
from medweave.writing import new_folder

if TYPE_CHECKING:
    from pydicom import Dataset

SCHEME = "99MEDWEAVE"
"""Classes have free names, so their codes are of a private scheme (PS3.16: its designator begins with 99)."""


@dataclass(frozen=True)
class Maker:
    """Who made a mask: the name of a labeler or model, and what tells one mask of it from another, such as an id."""

    name: str
    id: str


def export_dicomseg(table: ImageTable, folder: Path, classes: Sequence[str], max_pixels: int) -> int:
    """Write `masks/<image_id>.dcm` and `labels.csv` into a new folder; return the number of masks.

    Raises InputError for an image that is no DICOM file, and as `export_png`.
    """
    with new_folder(folder) as aside:
        (aside / "masks").mkdir()
        exported = 0
        for row, mask in labels_with_masks(table, aside, len(classes), max_pixels):
            maker = Maker(str(row.made_by.get("labeler", "expert")), str(row.label_id))
            write_dicomseg(row.image_uri, mask, classes, maker, aside / "masks" / f"{row.image_id}.dcm")
            exported += 1
    return exported


def write_dicomseg(
    image_uri: str, mask: np.ndarray[Any, Any], classes: Sequence[str], maker: Maker, path: Path
) -> None:
    """Write a mask (HxW uint8 class map of the image's size) with one binary segment a class.

    Patient, study and frame of reference are the image's; the same image, mask maker and id give the same UIDs. Raises
    InputError when the image is no DICOM file, or lacks what a segmentation must refer to.
    """
    import highdicom
    from highdicom.seg import Segmentation
    from pydicom.uid import generate_uid

    source = _read(image_uri)
    present = [number for number in range(1, len(classes) + 1) if (mask == number).any()] or [1]
    pixels = np.stack([mask == number for number in present], axis=-1)[np.newaxis]
    identity = [str(source.get("SOPInstanceUID", "")), maker.name, maker.id, *classes]
    try:
        made = Segmentation(
            source_images=[source],
            pixel_array=pixels,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[
                _description(place, classes[number - 1], maker) for place, number in enumerate(present, 1)
            ],
            series_instance_uid=generate_uid(entropy_srcs=[*identity, "series"]),
            series_number=1,
            sop_instance_uid=generate_uid(entropy_srcs=[*identity, "instance"]),
            instance_number=1,
            manufacturer="medweave",
            manufacturer_model_name="medweave",
            software_versions=__version__,
            device_serial_number="none",
            series_description=f"medweave: {maker.name}"[:64],
        )
    except (AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"{image_uri}: no DICOM Segmentation can refer to it ({error}); write PNG masks instead"
        ) from None
    made.save_as(path)


def _description(place: int, name: str, maker: Maker) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    return SegmentDescription(
        segment_number=place,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=CodedConcept(name[:16], SCHEME, name[:64]),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            maker.name[:64], codes.DCM.ArtificialIntelligence, __version__
        ),
    )


def _read(uri: str) -> Dataset:
    from io import BytesIO

    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(BytesIO(read_bytes(uri)))
    except InvalidDicomError:
        raise InputError(
            f"{uri}: is no DICOM file; DICOM Segmentations are for DICOM images: write PNG masks"
        ) from None
