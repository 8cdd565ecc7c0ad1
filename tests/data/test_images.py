import os
import sys
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medweave.data.images import (
    UnreadableImageError,
    list_folder,
    list_images,
    read_bytes,
    read_image,
    skipped_images,
    to_rgb8,
)
from medweave.errors import InputError

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB8 = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


# files and folders


def test_read_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    fsspec.filesystem("memory").pipe("/read/a", b"xyz")
    assert read_bytes(str(tmp_path / "a")) == read_bytes(f"file://{tmp_path}/a") == b"abc"
    assert read_bytes("memory://read/a") == b"xyz"
    for uri, match in [
        (str(tmp_path / "no"), "no such file"),
        ("memory://read/no", "no such file"),
        (str(tmp_path / "empty"), "is empty"),
        (str(tmp_path), "cannot be read"),
        ("nothing://a/b", "cannot be read"),
    ]:
        with pytest.raises(UnreadableImageError, match=match) as caught:
            read_bytes(uri)
        assert uri in str(caught.value)


def test_list_images(tmp_path, monkeypatch):
    names = ["b.PNG", "a.v2.jpeg", "c.nii.gz", "d.dcm", "a.tif", ".hidden.png", "notes.txt", "e.csv", "f.nii", "a.bmp"]
    for name in [*names, "archive.gz"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "b.PNG")
    expected = [("a", "a.bmp"), ("a", "a.tif"), ("a.v2", "a.v2.jpeg"), ("b", "b.PNG"), ("c", "c.nii.gz")]
    expected += [("d", "d.dcm"), ("f", "f.nii"), ("link", "link.png")]
    expected = [(image_id, str(tmp_path / name)) for image_id, name in expected]
    assert list_images(str(tmp_path)) == list_images(f"file://{tmp_path}") == expected
    monkeypatch.chdir(tmp_path.parent)
    assert list_images(tmp_path.name) == expected


def test_list_images_in_object_storage():
    memory = fsspec.filesystem("memory")
    for name in ("b.png", "a.dcm", "notes.txt", "deeper/c.png"):
        memory.pipe(f"/bucket/images/{name}", b"1")
    listed = list_images("memory://bucket/images")
    assert [image_id for image_id, _ in listed] == ["a", "b"]
    assert all(uri.startswith("memory://") and read_bytes(uri) == b"1" for _, uri in listed)


def test_images_in_subfolders_are_counted_one_level_deep(tmp_path):
    for name in ("p2/a.png", "p2/b.dcm", "p1/c.png", "p1/deeper/d.png", "texts/notes.txt", ".cache/e.png", "top.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        fsspec.filesystem("memory").pipe(f"/patients/{name}", b"1")
    for folder in (str(tmp_path), "memory://patients"):
        images, subfolders = list_folder(folder)
        assert [image_id for image_id, _ in images] == ["top"]
        assert [uri.rsplit("/", 1)[-1] for uri in subfolders] == ["p1", "p2", "texts"]
        assert skipped_images(subfolders) == "3 image files in its subfolders (such as p1) are not read"
        assert skipped_images(subfolders[2:]) is None


def test_only_the_first_subfolders_are_looked_into(tmp_path):
    for k in range(101):
        (tmp_path / f"p{k:03d}").mkdir()
        (tmp_path / f"p{k:03d}" / "scan.png").touch()
    subfolders = list_folder(str(tmp_path))[1]
    assert skipped_images(subfolders) == "at least 100 image files in its subfolders (such as p000) are not read"
    assert skipped_images([str(tmp_path / "gone"), *subfolders[:1]]) == (
        "1 image files in its subfolders (such as p000) are not read"
    )


def test_missing_folders(tmp_path):
    (tmp_path / "file").touch()
    for folder, match in [
        (str(tmp_path / "no"), "no such folder"),
        ("memory://no/folder", "no such folder"),
        (str(tmp_path / "file"), "not a folder"),
        ("nothing://x", "cannot be listed"),
    ]:
        with pytest.raises(InputError, match=match):
            list_images(folder)


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are always UTF-8 there")
def test_a_name_that_is_not_utf8_is_shown(tmp_path):
    (tmp_path / "fine ä.png").touch()
    (tmp_path / os.fsdecode(b"notes \xff.txt")).touch()
    assert [image_id for image_id, _ in list_images(str(tmp_path))] == ["fine ä"]
    (tmp_path / os.fsdecode(b"scan \xe4.png")).touch()
    with pytest.raises(UnreadableImageError, match=r"/scan \\xe4\.png: the name is not UTF-8; rename the file$"):
        list_images(str(tmp_path))


# display


def test_to_rgb8():
    assert to_rgb8(RGB8) is RGB8
    np.testing.assert_array_equal(to_rgb8(GRAY8), np.dstack([GRAY8] * 3))
    assert not to_rgb8(np.full((4, 5), 7.5, np.float32)).any()
    # 0..1000: the percentiles are 5 and 995, so v -> 255 (v - 5) / 990
    ramp = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    expected = np.rint(255 * np.clip((ramp.astype(float) - 5) / 990, 0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(to_rgb8(ramp), np.dstack([expected] * 3))
    speck = np.zeros((100, 100), np.float32)
    speck[3, 4] = 2.0
    assert to_rgb8(speck)[3, 4].tolist() == [255] * 3 and to_rgb8(speck).sum() == 3 * 255


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (5, 6, 3), elements=st.floats(-(2**99), 2**99, width=32)))
def test_to_rgb8_keeps_order(image):
    shown = to_rgb8(image)
    assert shown.dtype == np.uint8 and shown.shape == image.shape
    order = np.argsort(image, axis=None)
    assert (np.diff(shown.ravel()[order].astype(int)) >= 0).all()


def test_real_images():
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "busi" / "gold" / "images"
    if not folder.is_dir():
        pytest.skip(f"no real images at {os.fspath(folder)}")
    for image_id, uri in list_images(str(folder)):
        ours, other = to_rgb8(read_image(uri, 10**8)), cv2.imread(uri, cv2.IMREAD_COLOR)[:, :, ::-1]
        np.testing.assert_array_equal(ours, other, err_msg=image_id)
