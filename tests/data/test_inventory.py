from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medweave.data.inventory import Inventory, InventoryRow, Note, count_components, measure_image, measure_mask

FULL = InventoryRow(
    split="gold",
    image_id="a",
    group_id="p1",
    given_group="p1",
    image_uri="/x/a.png",
    mask_uri="/x/m.png",
    height=3,
    width=4,
    intensity_mean=1.5,
    class_values=("1",),
    foreign_values=("7", "9"),
    foreground_share=0.25,
    components=2,
    duplicate_of=("gold:b", "test:c"),
)
UNREADABLE = InventoryRow("unlabeled", "u", "u", image_uri="/x/u.png", image_error="/x/u.png: is empty; remove it")
NOTE = Note("groups name only images", "/x/groups.csv", "1 of its ids are no image's", "remove them")


def test_measures_of_an_image_and_its_mask(tmp_path):
    gray = np.full((20, 30), 10, np.uint8)
    gray[:10] = 50
    mask = np.zeros((20, 30), np.uint8)
    mask[2:5, 2:6] = 255
    mask[15, 20] = 3
    Image.fromarray(gray).save(tmp_path / "i.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    row = InventoryRow("gold", "i", "i", image_uri=str(tmp_path / "i.png"), mask_uri=str(tmp_path / "m.png"))
    row = measure_mask(measure_image(row, max_pixels=1000), classes=1, max_pixels=1000)
    assert (row.height, row.width, row.mask_height, row.mask_width) == (20, 30, 20, 30)
    assert (row.intensity_min, row.intensity_max, row.intensity_mean, row.intensity_std) == (10, 50, 30, 20)
    assert row.foreground_share == pytest.approx(13 / 600)
    assert (row.components, row.class_values, row.foreign_values, row.error) == (2, ("255",), ("3",), None)
    row = measure_mask(replace(row, mask_uri=str(tmp_path / "i.png")), classes=20, max_pixels=1000)
    assert (row.class_values, row.foreign_values) == (("10",), ("50",))


def test_a_file_that_cannot_be_read_leaves_its_reason(tmp_path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "i.png")
    row = InventoryRow("gold", "i", "i", image_uri=str(tmp_path / "i.png"), mask_uri=str(tmp_path / "none.png"))
    row = measure_mask(measure_image(row, max_pixels=1000), classes=1, max_pixels=1000)
    assert row.image_error is None and row.height == 20
    assert str(tmp_path / "none.png") in (row.mask_error or "") and not row.usable
    assert "pixels" in (measure_image(row, max_pixels=599).image_error or "")


def test_equal_pixels_in_another_format_are_equal(tmp_path):
    gray = np.arange(600, dtype=np.uint8).reshape(20, 30)
    for name in ("a.png", "b.bmp"):
        Image.fromarray(gray).save(tmp_path / name)
    a, b = (
        measure_image(InventoryRow("gold", name, name, image_uri=str(tmp_path / name)), 1000)
        for name in ("a.png", "b.bmp")
    )
    assert a.pixels_sha256 == b.pixels_sha256 and a.image_sha256 != b.image_sha256


def test_components_smaller_than_a_ten_thousandth_are_specks():
    mask = np.zeros((200, 300), bool)
    mask[0, :5] = True
    mask[10, :6] = True
    mask[20, 0] = mask[21, 1] = mask[22, 2] = mask[23, 3] = mask[24, 4] = mask[25, 5] = True
    assert count_components(mask) == 2
    assert count_components(np.zeros((10, 10), bool)) == 0


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ({}, True),
        ({"mask_uri": None}, False),
        ({"mask_uri": None, "split": "unlabeled"}, True),
        ({"image_uri": None}, False),
        ({"mask_error": "x"}, False),
    ],
)
def test_usable(change, usable):
    assert replace(FULL, **change).usable is usable


def test_parquet_round_trip(tmp_path):
    for rows in ([], [FULL, UNREADABLE]):
        Inventory(rows, [NOTE]).to_parquet(tmp_path / "inventory.parquet")
        back = Inventory.from_parquet(tmp_path / "inventory.parquet")
        assert (list(back), back.notes) == (rows, (NOTE,))


def test_digest_follows_the_content():
    assert Inventory([FULL, UNREADABLE]).digest == Inventory([replace(FULL), UNREADABLE]).digest
    assert Inventory([FULL]).digest != Inventory([replace(FULL, components=3)]).digest
    assert Inventory([FULL]).digest != Inventory([FULL], [NOTE]).digest


def test_counts_and_frame():
    inventory = Inventory([FULL, UNREADABLE])
    assert inventory.counts() == {
        "gold": {"found": 1, "usable": 1, "set_aside": 0},
        "unlabeled": {"found": 1, "usable": 0, "set_aside": 1},
        "test": {"found": 0, "usable": 0, "set_aside": 0},
    }
    frame = inventory.to_frame()
    assert frame.loc[0, "duplicate_of"] == "gold:b, test:c" and frame["duplicate_of"].isna().tolist() == [False, True]
    assert frame["usable"].tolist() == [True, False]
