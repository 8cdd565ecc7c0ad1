import gzip
import io
import struct
import zlib

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from medweave.data.images import UnreadableImageError, decode_image, read_image

LIMIT = 10_000
RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB8 = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
GRAY16 = RNG.integers(0, 65536, (13, 17), dtype=np.uint16)
RGB16 = RNG.integers(0, 65536, (13, 17, 3), dtype=np.uint16)


def pil(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels: np.ndarray, colour_type: int, exif: bytes = b"") -> bytes:
    """A PNG by the letter of its specification: filter 0, one IDAT."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape[:2]
    lines = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    extra = chunk(b"eXIf", exif) if exif else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def tiff(pixels: np.ndarray, photometric: int, orientation: int = 1, order: str = "<") -> bytes:
    """An uncompressed TIFF of one strip, little- or big-endian, with unsigned or float samples."""
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    kind = 3 if pixels.dtype.kind == "f" else 1
    entries = 12
    after = 8 + 2 + 12 * entries + 4
    depths, kinds = struct.pack(f"{order}4H", *[8 * pixels.itemsize] * 4), struct.pack(f"{order}4H", *[kind] * 4)
    several = samples > 2
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, after if several else 8 * pixels.itemsize),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, after + 16),
        (274, 3, 1, orientation),
        (277, 3, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, len(body)),
        (284, 3, 1, 1),
        (339, 3, samples, after + 8 if several else kind),
    ]
    directory = b"".join(
        struct.pack(f"{order}HHI", tag, type_, count)
        + (struct.pack(f"{order}HH", value, 0) if type_ == 3 and count == 1 else struct.pack(f"{order}I", value))
        for tag, type_, count, value in tags
    )
    start = b"II*\0" if order == "<" else b"MM\0*"
    return (
        start + struct.pack(f"{order}IH", 8, entries) + directory + struct.pack(f"{order}I", 0) + depths + kinds + body
    )


def dicom(pixels: np.ndarray, photometric: str = "MONOCHROME2", syntax=ExplicitVRLittleEndian, **tags) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    colour = photometric in ("RGB", "YBR_FULL")
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    body = pixels.tobytes()
    dataset.PixelData = body + b"\0" * (len(body) % 2)
    for name, value in tags.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti(pixels: np.ndarray, kind=nibabel.Nifti1Image, slope: float | None = None) -> bytes:
    image = kind(pixels, np.eye(4))
    if slope is not None:
        image.header.set_slope_inter(slope, 10.0)
    return image.to_bytes()


def decoded(data: bytes, **options) -> np.ndarray:
    return decode_image(data, "a.png", LIMIT, **options)


def check(data: bytes, expected: np.ndarray) -> None:
    image = decoded(data)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)


def refused(data: bytes, match: str, limit: int = LIMIT) -> None:
    with pytest.raises(UnreadableImageError, match=match) as caught:
        decode_image(data, "folder/a.png", limit)
    assert str(caught.value).startswith("folder/a.png: ")
    assert "\n" not in str(caught.value)


# PNG, TIFF, BMP, JPEG


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_8_bit_gray_and_colour(kind):
    check(pil(Image.fromarray(GRAY8), kind), GRAY8)
    check(pil(Image.fromarray(RGB8), kind), RGB8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_alpha_is_dropped(kind):
    alpha = RNG.integers(0, 256, (13, 17, 1), dtype=np.uint8)
    check(pil(Image.fromarray(np.dstack([GRAY8, alpha]), "LA"), kind), GRAY8)
    check(pil(Image.fromarray(np.dstack([RGB8, alpha])), kind), RGB8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_1_bit_is_black_and_white(kind):
    expected = np.where(GRAY8 > 127, 255, 0).astype(np.uint8)
    check(pil(Image.fromarray(expected).convert("1", dither=Image.Dither.NONE), kind), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_palette_becomes_rgb_and_as_labels_its_indices(kind):
    colours = np.array([[0, 0, 0], [200, 10, 20], [3, 220, 7]], np.uint8)
    indices = RNG.integers(0, 3, (13, 17), dtype=np.uint8)
    image = Image.fromarray(indices, "L")
    image = Image.frombytes("P", image.size, indices.tobytes())
    image.putpalette(colours.ravel().tolist())
    check(pil(image, kind), colours[indices])
    np.testing.assert_array_equal(decoded(pil(image, kind), labels=True), indices)


def test_cmyk():
    cmyk = np.zeros((2, 2, 4), np.uint8)
    cmyk[0, 0] = 255, 0, 0, 0
    cmyk[1, 1] = 0, 0, 0, 255
    expected = np.full((2, 2, 3), 255, np.uint8)
    expected[0, 0] = 0, 255, 255
    expected[1, 1] = 0
    check(pil(Image.fromarray(cmyk, "CMYK"), "TIFF"), expected)


def test_cmyk_jpeg():
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[:, :, 0] = 255
    image = decoded(pil(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - [0, 255, 255]).max() <= 4


def test_jpeg_is_close_to_its_pixels():
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    gray = decoded(pil(Image.fromarray(smooth), "JPEG", quality=95))
    assert gray.shape == (64, 80)
    assert np.abs(gray.astype(int) - smooth).max() <= 4
    colour = decoded(pil(Image.fromarray(np.dstack([smooth, smooth // 2, 255 - smooth])), "JPEG", quality=95))
    assert np.abs(colour.astype(int) - np.dstack([smooth, smooth // 2, 255 - smooth])).max() <= 12


def test_16_bit_gray():
    check(pil(Image.fromarray(GRAY16), "PNG"), GRAY16)
    check(tiff(GRAY16, 1), GRAY16)
    check(tiff(GRAY16, 1, order=">"), GRAY16)
    check(tiff(GRAY16, 0), 65535 - GRAY16)


def test_16_bit_colour_keeps_its_bits():
    alpha = RNG.integers(0, 65536, (13, 17, 1), dtype=np.uint16)
    check(png(RGB16, 2), RGB16)
    check(png(np.dstack([RGB16, alpha]), 6), RGB16)
    check(png(np.dstack([GRAY16, alpha]), 4), GRAY16)
    check(tiff(RGB16, 2), RGB16)
    check(tiff(RGB16, 2, order=">"), RGB16)
    check(cv2.imencode(".tiff", RGB16[:, :, ::-1])[1].tobytes(), RGB16)


def test_float_and_wide_integer_tiff():
    values = RNG.normal(size=(13, 17)).astype(np.float32)
    check(tiff(values, 1), values)
    check(tiff(np.array([[0, 70_000]], np.uint32), 1), np.array([[0, 70_000]], np.float32))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(pil(Image.fromarray(RGB8), "PNG", exif=exif))))
    expected = np.asarray(upright)
    check(pil(Image.fromarray(RGB8), "PNG", exif=exif), expected)
    check(tiff(RGB8, 2, orientation), expected)
    deep = RGB8.astype(np.uint16) * 257
    check(png(deep, 2, exif.tobytes().removeprefix(b"Exif\0\0")), expected.astype(np.uint16) * 257)
    check(tiff(deep, 2, orientation), expected.astype(np.uint16) * 257)
    assert decoded(pil(Image.fromarray(RGB8), "JPEG", exif=exif)).shape == expected.shape


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_several_pages_are_refused(kind):
    pages = [Image.fromarray(RGB8), Image.fromarray(255 - RGB8)]
    refused(pil(pages[0], kind, save_all=True, append_images=pages[1:]), "2 pages")


# DICOM


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_dicom_stored_values(syntax):
    check(dicom(GRAY8, syntax=syntax), GRAY8)
    check(dicom(GRAY16, syntax=syntax), GRAY16)
    check(dicom(GRAY16.astype(np.int16), syntax=syntax), GRAY16.astype(np.int16).astype(np.float32))


def test_dicom_without_preamble():
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY16, syntax=ImplicitVRLittleEndian)))
    bare = pydicom.Dataset(dataset)
    buffer = io.BytesIO()
    bare.save_as(buffer, implicit_vr=True, little_endian=True)
    assert buffer.getvalue()[128:132] != b"DICM"
    check(buffer.getvalue(), GRAY16)


def test_dicom_rescale():
    check(dicom(GRAY16, RescaleSlope=2, RescaleIntercept=-1024), GRAY16.astype(np.float32) * 2 - 1024)
    check(dicom(GRAY16, RescaleSlope=1, RescaleIntercept=0), GRAY16)


def test_dicom_window_maps_to_0_255():
    # PS3.3 C.11.2.1.2.1: below c - 0.5 - (w-1)/2 is black, above c - 0.5 + (w-1)/2 white, linear between
    stored = np.array([[0, 1024, 1073, 1124], [1174, 1224, 1273, 5000]], np.uint16)
    window = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 100, "WindowWidth": 200}
    hounsfield = stored.astype(float) - 1024
    expected = np.rint(255 * np.clip((hounsfield - 99.5) / 199 + 0.5, 0, 1)).astype(np.uint8)
    assert expected.min() == 0 and expected.max() == 255
    check(dicom(stored, **window), expected)
    check(dicom(stored, "MONOCHROME1", **window), 255 - expected)
    np.testing.assert_array_equal(decoded(dicom(stored, **window), labels=True), stored)


def test_dicom_sigmoid_window():
    stored = np.array([[0, 100, 200]], np.uint16)
    expected = np.rint(255 / (1 + np.exp(-4 * (stored - 100.0) / 50))).astype(np.uint8)
    check(dicom(stored, WindowCenter=100, WindowWidth=50, VOILUTFunction="SIGMOID"), expected)


def test_dicom_tables():
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    colours = np.array([[0, 0, 0], [200, 10, 20], [3, 220, 7]], np.uint16) * 257
    tables = {}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = colours[:, channel].tobytes()
    check(dicom(indices, "PALETTE COLOR", **tables), colours[indices])
    np.testing.assert_array_equal(decoded(dicom(indices, "PALETTE COLOR", **tables), labels=True), indices)
    table = pydicom.Dataset()
    table.LUTDescriptor = [3, 0, 16]
    table.LUTData = np.array([500, 40, 60000], np.uint16).tobytes()
    check(dicom(indices, VOILUTSequence=[table]), np.array([[500, 40], [60000, 40]], np.uint16))


def test_dicom_monochrome1_is_inverted():
    check(dicom(GRAY8, "MONOCHROME1"), 255 - GRAY8)
    values = np.array([[100, 150, 400]], np.uint16)
    check(dicom(values, "MONOCHROME1"), np.array([[400, 350, 100]], np.uint16))


def test_dicom_colour():
    check(dicom(RGB8, "RGB"), RGB8)
    ybr = np.zeros((2, 2, 3), np.uint8)
    ybr[:] = 76, 85, 255  # pure red in JFIF's YCbCr
    image = decoded(dicom(ybr, "YBR_FULL"))
    assert np.abs(image.astype(int) - [254, 0, 0]).max() <= 1


def test_dicom_jpeg():
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    frame = pydicom.encaps.encapsulate([pil(Image.fromarray(smooth), "JPEG", quality=95)])
    image = decoded(dicom(smooth, syntax=JPEGBaseline8Bit, PixelData=frame))
    assert np.abs(image.astype(int) - smooth).max() <= 4
    broken = pydicom.encaps.encapsulate([pil(Image.fromarray(smooth), "JPEG", quality=95)[:300]])
    refused(dicom(smooth, syntax=JPEGBaseline8Bit, PixelData=broken), "damaged")


def test_dicom_refusals():
    refused(dicom(np.stack([GRAY8] * 3), NumberOfFrames=3), "3 frames")
    refused(dicom(GRAY16, WindowCenter=1, WindowWidth=0), "damaged")
    refused(b"\x08\0just some text, no DICOM file at all", "DICOM")
    refused(dicom(GRAY8, Rows=20_000, Columns=20_000), "20000x20000")


# NIfTI


def test_nifti_rows_are_y():
    # array index (x, y): GRAY8.T has x first
    check(nifti(GRAY8.T), GRAY8)
    check(nifti(GRAY8.T[:, :, None]), GRAY8)
    check(nifti(GRAY16.T, nibabel.Nifti2Image), GRAY16)
    check(gzip.compress(nifti(GRAY16.T[:, :, None])), GRAY16)
    check(nifti(GRAY8.T.astype(np.int16)), GRAY8.astype(np.float32))


def test_nifti_scaling_and_colour():
    stored = np.arange(6, dtype=np.int16).reshape(2, 3)
    check(nifti(stored, slope=2.0), (stored.T * 2 + 10).astype(np.float32))
    structured = np.zeros((17, 13, 1), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    for channel, name in enumerate("RGB"):
        structured[name] = RGB8[:, :, channel].T[:, :, None]
    check(nifti(structured), RGB8)


def test_nifti_refusals():
    refused(nifti(np.zeros((4, 5, 2), np.uint8)), "volume of shape 4x5x2")
    refused(nifti(GRAY8.T)[:400], "damaged")
    refused(gzip.compress(nifti(GRAY16.T))[:-40], "damaged")
    refused(gzip.compress(b"text"), "is not an image")
    refused(nifti(np.full((3, 3), 1j)), "complex")


# what is refused in every format


def test_content_decides_not_the_name(tmp_path):
    (tmp_path / "a.png").write_text("this is text")
    with pytest.raises(UnreadableImageError, match=r"a\.png: is not an image"):
        read_image(str(tmp_path / "a.png"), LIMIT)
    (tmp_path / "b.png").write_bytes(pil(Image.fromarray(RGB8), "BMP"))
    np.testing.assert_array_equal(read_image(str(tmp_path / "b.png"), LIMIT), RGB8)
    refused(pil(Image.fromarray(RGB8), "GIF"), "is not an image")
    refused(b"", "is empty")


ENCODED = {
    "png": pil(Image.fromarray(RGB8), "PNG"),
    "png16": png(RGB16, 2),
    "gray16": png(GRAY16, 0),
    "tiff": pil(Image.fromarray(RGB8), "TIFF"),
    "lzw": pil(Image.fromarray(RGB8), "TIFF", compression="tiff_lzw"),
    "tiff16": tiff(RGB16, 2),
    "bmp": pil(Image.fromarray(RGB8), "BMP"),
    "jpeg": pil(Image.fromarray(RGB8), "JPEG"),
    "progressive": pil(Image.fromarray(RGB8), "JPEG", progressive=True),
    "dicom": dicom(GRAY16),
    "nifti": nifti(GRAY16.T),
    "nifti.gz": gzip.compress(nifti(GRAY16.T)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])
def test_truncated_files_are_refused(kind, share):
    whole = ENCODED[kind]
    refused(whole[: int(len(whole) * share)], "damaged|is not an image|without an image")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.data())
def test_damage_never_raises_another_error(kind, data):
    damaged = bytearray(ENCODED[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decoded(bytes(damaged))
    except UnreadableImageError:
        return
    assert image.dtype in (np.uint8, np.uint16, np.float32)


def test_the_header_is_checked_before_pixels_are_decoded():
    huge = struct.pack(">IIBBBBB", 20_000, 20_000, 16, 2, 0, 0, 0)
    whole = bytearray(png(RGB16, 2))
    whole[16:29] = huge
    whole[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + huge))
    refused(bytes(whole), "20000x20000 pixels, more than data.max_pixels", limit=100_000_000)
    bmp = bytearray(pil(Image.fromarray(RGB8), "BMP"))
    bmp[18:26] = struct.pack("<ii", 20_000, 20_000)
    refused(bytes(bmp), "20000x20000", limit=100_000_000)
    header = nibabel.Nifti1Header()
    header.set_data_shape((20_000, 20_000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    refused(gzip.compress(header.binaryblock + b"\0" * 4), "20000x20000", limit=100_000_000)


@pytest.mark.parametrize("kind", ENCODED)
def test_the_limit_is_inclusive(kind):
    height, width = decode_image(ENCODED[kind], "a", 13 * 17).shape[:2]
    assert (height, width) == (13, 17)
    refused(ENCODED[kind], "17x13 pixels, more than", limit=13 * 17 - 1)


def test_the_limit_may_be_above_that_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("png", "png16", "bmp", "jpeg"):
        assert decoded(ENCODED[kind]).shape[:2] == (13, 17)
    refused(ENCODED["tiff"], "more pixels than Pillow decodes")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_pixels_are_refused(value):
    pixels = np.ones((4, 5), np.float32)
    pixels[2, 3] = value
    refused(tiff(pixels, 1), "non-finite")
    refused(nifti(pixels), "non-finite")
    refused(nifti(np.full((3, 3), 1e300)), "non-finite")
