import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from medweave.data.images import UnreadableImageError
from medweave.data.masks import decode_mask, encode_mask, foreign_values, raw_mask, read_mask
from medweave.data.table import MaskRef
from medweave.errors import InputError

LIMIT = 1_000_000
DISK = np.hypot(*np.mgrid[-40:40, -50:50]) < 30


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def mask_file(tmp_path):
    def write(data: bytes) -> MaskRef:
        (tmp_path / "mask.png").write_bytes(data)
        return MaskRef(uri=str(tmp_path / "mask.png"))

    return write


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_made_masks_come_back_exactly(mask):
    data = encode_mask(mask)
    assert data == encode_mask(mask)
    for back in (decode_mask(data), read_mask(MaskRef(png=data), 3, LIMIT)):
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, mask)


def test_made_masks_refuse_what_is_none():
    for wrong in (np.zeros((3, 4), np.int32), np.zeros((3, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ValueError, match="HxW uint8"):
            encode_mask(wrong)
    with pytest.raises(UnreadableImageError):
        decode_mask(encode_mask(DISK.astype(np.uint8))[:-30])
    with pytest.raises(InputError, match="8-bit gray"):
        decode_mask(encoded(np.zeros((3, 4, 3), np.uint8)))


@pytest.mark.parametrize("foreground", [1, 255])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_class(mask_file, foreground, kind):
    mask = read_mask(mask_file(encoded(DISK.astype(np.uint8) * np.uint8(foreground), kind)), 1, LIMIT)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, DISK)


def test_other_ways_to_save_one_class(mask_file):
    white = DISK.astype(np.uint8) * np.uint8(255)
    ways = [
        encoded(np.dstack([white] * 3)),
        encoded(Image.fromarray(white).convert("1")),
        encoded(Image.fromarray(white).convert("P")),
        encoded(DISK.astype(np.float32), "TIFF"),
        encoded(DISK.astype(np.uint16)),
    ]
    for data in ways:
        np.testing.assert_array_equal(read_mask(mask_file(data), 1, LIMIT), DISK)
    assert not read_mask(mask_file(encoded(np.zeros((3, 4), np.uint8))), 1, LIMIT).any()


def test_one_class_refuses_other_values(mask_file):
    for values, named in [([0, 128], "128"), ([0, 1, 255], "1"), ([1, 2], "2"), ([0, 7, 9, 255], "7, 9")]:
        ref = mask_file(encoded(np.array([values], np.uint8)))
        with pytest.raises(InputError, match=rf"mask\.png: holds the values {named}, which are no class"):
            read_mask(ref, 1, LIMIT)
    with pytest.raises(InputError, match="values 65535"):
        read_mask(mask_file(encoded(np.array([[0, 65535]], np.uint16))), 1, LIMIT)


def test_several_classes(mask_file):
    values = np.array([[0, 1, 2, 3]], np.uint8)
    np.testing.assert_array_equal(read_mask(mask_file(encoded(values)), 3, LIMIT), values)
    with pytest.raises(InputError, match=r"values 3, .*0 to 2"):
        read_mask(mask_file(encoded(values)), 2, LIMIT)
    with pytest.raises(InputError, match="values 255"):
        read_mask(mask_file(encoded(DISK.astype(np.uint8) * np.uint8(255))), 2, LIMIT)


def test_palette_masks(mask_file):
    indices = np.array([[0, 1, 2, 2]], np.uint8)
    coloured = Image.frombytes("P", (4, 1), indices.tobytes())
    coloured.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    np.testing.assert_array_equal(read_mask(mask_file(encoded(coloured)), 2, LIMIT), indices)
    inverse = Image.frombytes("P", (2, 1), bytes([0, 1]))
    inverse.putpalette([255, 255, 255, 0, 0, 0])
    np.testing.assert_array_equal(read_mask(mask_file(encoded(inverse)), 1, LIMIT), [[1, 0]])


def test_what_is_no_mask(mask_file):
    with pytest.raises(InputError, match=r"mask\.png: is a colour image"):
        read_mask(mask_file(encoded(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))), 1, LIMIT)
    with pytest.raises(InputError, match="fractional"):
        read_mask(mask_file(encoded(np.array([[0, 0.5]], np.float32), "TIFF")), 1, LIMIT)
    with pytest.raises(UnreadableImageError, match="4x3 pixels, more than"):
        read_mask(mask_file(encoded(np.zeros((3, 4), np.uint8))), 1, 11)
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_mask(MaskRef(uri="/nowhere/mask.png"), 1, LIMIT)


def see_through() -> dict[str, bytes]:
    white, shape = np.full(DISK.shape, 255, np.uint8), DISK.astype(np.uint8) * np.uint8(255)
    rgba, gray = Image.fromarray(np.dstack([white] * 3 + [shape])), Image.fromarray(np.dstack([white, shape]))
    indices = Image.fromarray(DISK.astype(np.uint8))
    palette = indices.convert("P")
    palette.putpalette([255, 255, 255] * 2)
    deep = np.dstack([np.full(DISK.shape, 65535, np.uint16)] * 3 + [DISK.astype(np.uint16) * np.uint16(65535)])
    return {
        "RGBA": encoded(rgba),
        "RGBA TIFF": encoded(rgba, "TIFF"),
        "LA": encoded(gray),
        "16-bit RGBA": cv2.imencode(".png", deep)[1].tobytes(),
        "palette": encoded(palette, transparency=b"\0\xff"),
        "colour key": encoded(indices, transparency=0),
        "one pixel of 254": encoded(np.dstack([shape] * 3 + [np.where(np.eye(*DISK.shape, 9), 254, white)])),
    }


@pytest.mark.parametrize("kind", see_through())
def test_a_mask_with_transparency_is_refused(mask_file, kind):
    with pytest.raises(UnreadableImageError, match=r"mask\.png: is a mask with transparency.*; save it without alpha"):
        read_mask(mask_file(see_through()[kind]), 1, LIMIT)


def test_opaque_alpha_is_no_transparency(mask_file):
    shape, opaque = DISK.astype(np.uint8) * np.uint8(255), np.full(DISK.shape, 255, np.uint8)
    for pixels in (np.dstack([shape] * 3 + [opaque]), np.dstack([shape, opaque])):
        np.testing.assert_array_equal(read_mask(mask_file(encoded(pixels)), 1, LIMIT), DISK)
    np.testing.assert_array_equal(read_mask(mask_file(encoded(DISK.astype(np.uint8), transparency=7)), 1, LIMIT), DISK)


def test_jpeg_masks(mask_file):
    noisy = encoded(DISK.astype(np.uint8) * np.uint8(255), "JPEG", quality=75)
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(noisy))))) > 2
    np.testing.assert_array_equal(read_mask(mask_file(noisy), 1, LIMIT), DISK)
    assert foreign_values(raw_mask(noisy, "m", LIMIT), 1) == []
    with pytest.raises(InputError, match="values 255"):
        read_mask(mask_file(noisy), 2, LIMIT)
    for lost in (DISK.astype(np.uint8) * np.uint8(2), np.arange(256, dtype=np.uint8).repeat(8).reshape(32, 64)):
        with pytest.raises(InputError, match=r"mask\.png: is a JPEG that is not black and white"):
            read_mask(mask_file(encoded(lost, "JPEG")), 1, LIMIT)


@given(st.sets(st.integers(0, 300), min_size=1, max_size=6), st.integers(1, 5))
def test_foreign_values(values, classes):
    raw = np.array([sorted(values)], np.uint16)
    if classes > 1:
        assert foreign_values(raw, classes) == sorted(v for v in values if v > classes)
    else:
        assert (foreign_values(raw, 1) == []) == (values <= {0, 1} or values <= {0, 255})
        assert set(foreign_values(raw, 1)) <= values
    assert foreign_values(np.array([[-1, 0]]), classes) == [-1]
