"""Masks of DICOM images as DICOM Segmentations, read back with highdicom."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.dicomseg import Maker, export_dicomseg, write_dicomseg
from medweave.data.masks import encode_mask
from medweave.errors import InputError

highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed: run 'make setup'")
HEIGHT, WIDTH = 6, 9
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[1:3, 2:7] = 1
MASK[4:, :4] = 2
MAKER = Maker("compact", "l1")


@pytest.fixture
def image(tmp_path):
    """A computed radiography image of 6 x 9 pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["image"])
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = "p1", "A^B", "", ""
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid(entropy_srcs=[k]) for k in ("study", "series"))
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "s", "", ""
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260101", "120000", "CR"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = HEIGHT, WIDTH, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(HEIGHT * WIDTH)
    path = tmp_path / "x1.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(path):
    return highdicom.seg.segread(path)


def test_a_segmentation_has_the_masks_pixels_classes_and_image(image, tmp_path):
    write_dicomseg(str(image), MASK, ("lesion", "vessel"), MAKER, tmp_path / "seg.dcm")
    made, source = read(tmp_path / "seg.dcm"), pydicom.dcmread(image)
    assert [made.get_segment_description(k).SegmentLabel for k in (1, 2)] == ["lesion", "vessel"]
    assert made.pixel_array.shape == (2, HEIGHT, WIDTH)
    np.testing.assert_array_equal(made.pixel_array, [MASK == 1, MASK == 2])
    assert (made.PatientID, made.StudyInstanceUID) == ("p1", source.StudyInstanceUID)
    (series,) = made.ReferencedSeriesSequence
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert made.get_segment_description(1).SegmentAlgorithmName == "compact"


def test_the_same_mask_has_the_same_identity_and_another_has_not(image, tmp_path):
    for name, maker in (("a", MAKER), ("b", MAKER), ("c", Maker("compact", "l2"))):
        write_dicomseg(str(image), MASK, ("lesion", "vessel"), maker, tmp_path / f"{name}.seg")
    first, second, third = (read(tmp_path / f"{name}.seg").SOPInstanceUID for name in "abc")
    assert first == second != third


def test_an_empty_mask_is_a_segment_without_pixels(image, tmp_path):
    write_dicomseg(str(image), np.zeros_like(MASK), ("lesion",), MAKER, tmp_path / "seg.dcm")
    assert not read(tmp_path / "seg.dcm").pixel_array.any()


def test_labels_are_exported_with_their_list(image, tmp_path):
    row = ImageRow("x1", "g", str(image), "sha", HEIGHT, WIDTH)
    table = write_table(tmp_path / "t", [row.with_label("weak", MaskRef(png=encode_mask(MASK)), {"labeler": "sam"})])
    assert export_dicomseg(table, tmp_path / "out", ("lesion", "vessel"), 10_000) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["labels.csv", "masks"]
    assert read(tmp_path / "out" / "masks" / "x1.dcm").get_segment_description(1).SegmentAlgorithmName == "sam"


def test_an_image_that_is_no_dicom_is_an_error(tmp_path):
    (tmp_path / "x.png").write_bytes(encode_mask(MASK))
    with pytest.raises(InputError, match=r"x.png: is no DICOM file"):
        write_dicomseg(str(tmp_path / "x.png"), MASK, ("lesion", "vessel"), MAKER, tmp_path / "seg.dcm")


def test_an_image_that_lacks_what_is_referred_to_is_an_error(image, tmp_path):
    dataset = pydicom.dcmread(image)
    del dataset.StudyInstanceUID
    dataset.save_as(image)
    with pytest.raises(InputError, match=r"x1.dcm: no DICOM Segmentation can refer to it"):
        write_dicomseg(str(image), MASK, ("lesion", "vessel"), MAKER, tmp_path / "seg.dcm")
