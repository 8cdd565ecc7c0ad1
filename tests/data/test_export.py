import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path as Outline
from PIL import Image

from medweave.data.coco import instances
from medweave.data.export import export_coco, export_png
from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.errors import InputError

LIMIT = 1_000_000
EXPORTS = pytest.mark.parametrize("export", [export_png, export_coco])


def row(image_id: str, made: np.ndarray | None = None, **changes) -> ImageRow:
    height, width = (6, 8) if made is None else made.shape
    values = {
        "group_id": image_id,
        "image_uri": f"s3://bucket/images/{image_id}.png",
        "image_sha256": "0" * 64,
        "height": height,
        "width": width,
        "mask": MaskRef(png=None if made is None else encode_mask(made)),
    }
    return ImageRow(image_id=image_id, **{**values, **changes})


@pytest.fixture
def table(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:4, 2:5] = 1
    Image.fromarray(mask * np.uint8(255)).save(tmp_path / "gold.png")
    rows = [
        row("g", mask, label_source="gold", label_id="l1", mask=MaskRef(uri=str(tmp_path / "gold.png"))),
        row("u"),
        row(
            "w,1",
            mask.T.copy(),
            label_source="weak",
            label_id="l2",
            made_by={"labeler": "compact"},
            predicted_dice=0.75,
            low=0.5,
            high=0.875,
            decision="accept",
            weight=0.25,
        ),
    ]
    return write_table(tmp_path / "table", rows, shard_rows=2)


def listed(folder) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels_of(segmentation, shape: tuple[int, int]) -> np.ndarray:
    """Draw a COCO segmentation: the pixels whose centres are inside the polygon."""
    (polygon,) = segmentation
    corners = np.reshape(polygon, (-1, 2))
    rows, columns = np.indices(shape)
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
    return Outline(np.vstack([corners, corners[:1]]), closed=True).contains_points(centres).reshape(shape)


def shoelace(polygon: list[int]) -> float:
    x, y = np.reshape(polygon, (-1, 2)).T.astype(float)
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


@EXPORTS
def test_labels_csv(table, tmp_path, export):
    assert export(table, tmp_path / "new" / "out", ["lesion"], LIMIT) == 2
    assert not list((tmp_path / "new").glob(".*"))
    gold, unlabeled, weak = listed(tmp_path / "new" / "out")
    assert " ".join(gold) == (
        "image_id label_source decision predicted_dice low high labeler label_id weight image_uri"
    )
    assert list(gold.values()) == ["g", "gold", "", "", "", "", "expert", "l1", "", "s3://bucket/images/g.png"]
    assert (unlabeled["image_id"], unlabeled["label_source"], unlabeled["labeler"]) == ("u", "none", "")
    assert list(weak.values())[:7] == ["w,1", "weak", "accept", "0.75", "0.5", "0.875", "compact"]
    assert (weak["label_id"], weak["weight"]) == ("l2", "0.25")


def test_png_masks(table, tmp_path):
    export_png(table, tmp_path / "one", ["lesion"], LIMIT)
    assert sorted(file.name for file in (tmp_path / "one" / "masks").iterdir()) == ["g.png", "w,1.png"]
    mask = np.asarray(Image.open(tmp_path / "one" / "masks" / "g.png"))
    assert mask.dtype == np.uint8 and mask.shape == (6, 8)
    assert np.argwhere(mask == 255).tolist() == [[y, x] for y in (1, 2, 3) for x in (2, 3, 4)]
    assert set(np.unique(mask)) == {0, 255}


def test_png_masks_of_several_classes(tmp_path):
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    export_png(write_table(tmp_path / "table", [row("a", mask)]), tmp_path / "out", ["lung", "heart"], LIMIT)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "masks" / "a.png")), mask)


def test_coco(table, tmp_path):
    export_coco(table, tmp_path / "out", ["lesion"], LIMIT)
    coco = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "lesion"}]
    assert [(image["id"], image["file_name"], image["name"]) for image in coco["images"]] == [
        (1, "g.png", "g"),
        (2, "w,1.png", "w,1"),
    ]
    assert (coco["images"][1]["height"], coco["images"][1]["width"]) == (8, 6)
    first, second = coco["annotations"]
    assert (first["id"], first["image_id"], second["id"], second["image_id"]) == (1, 1, 2, 2)
    assert first["bbox"] == [2, 1, 3, 3] and second["bbox"] == [1, 2, 3, 3]
    assert (first["area"], first["iscrowd"], first["category_id"]) == (9, 0, 1)
    corners = np.reshape(first["segmentation"][0], (-1, 2)).tolist()
    assert sorted(corners) == [[2, 1], [2, 4], [5, 1], [5, 4]]


def test_coco_of_nothing(tmp_path):
    tables = [
        write_table(tmp_path / "t0", [row("u")]),
        write_table(tmp_path / "t1", [row("e", np.zeros((3, 4), "u1"))]),
    ]
    assert [export_coco(t, tmp_path / f"out{i}", ["a", "b"], LIMIT) for i, t in enumerate(tables)] == [0, 1]
    coco = [json.loads((tmp_path / f"out{i}" / "annotations.json").read_text()) for i in range(2)]
    assert [len(c["images"]) for c in coco] == [0, 1]
    assert [c["annotations"] for c in coco] == [[], []]


def test_instances_by_hand():
    mask = np.array(
        [
            [1, 0, 0, 2, 2, 2],
            [0, 1, 0, 2, 0, 2],
            [0, 0, 0, 2, 2, 2],
            [1, 1, 0, 0, 0, 0],
        ],
        np.uint8,
    )
    diagonal, block, ring = instances(mask)
    assert (diagonal["category_id"], diagonal["bbox"], diagonal["area"]) == (1, [0, 0, 2, 2], 2)
    assert (block["category_id"], block["bbox"], block["area"]) == (1, [0, 3, 2, 1], 2)
    assert (ring["category_id"], ring["bbox"], ring["area"]) == (2, [3, 0, 3, 3], 8)
    (outline,) = ring["segmentation"]
    assert shoelace(outline) == 8
    assert {(4, 1), (5, 1), (5, 2), (4, 2)} < {(x, y) for x, y in np.reshape(outline, (-1, 2)).tolist()}  # the hole
    assert shoelace(diagonal["segmentation"][0]) == 2


@settings(max_examples=150, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements={"min_value": 0, "max_value": 2}))
def test_instances_cover_the_mask_exactly(mask):
    drawn = np.zeros_like(mask)
    for instance in instances(mask):
        pixels = pixels_of(instance["segmentation"], mask.shape)
        assert pixels.sum() == shoelace(instance["segmentation"][0]) == instance["area"]
        assert len(instance["segmentation"][0]) >= 8
        rows, columns = np.nonzero(pixels)
        x, y, width, height = instance["bbox"]
        assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
        assert not drawn[pixels].any()
        drawn[pixels] = instance["category_id"]
        json.dumps(instance)
    np.testing.assert_array_equal(drawn, mask)


@EXPORTS
@pytest.mark.parametrize("image_id", ["../up", "a/b", "..", ".", "", "a\\b"])
def test_ids_that_are_no_file_names_are_refused(tmp_path, export, image_id):
    table = write_table(tmp_path / "table", [row(image_id, np.ones((3, 4), np.uint8))])
    with pytest.raises(InputError, match="is no file name"):
        export(table, tmp_path / "out", ["a"], LIMIT)
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


@EXPORTS
def test_what_does_not_fit_leaves_nothing_behind(tmp_path, export):
    mask = np.ones((3, 4), np.uint8)
    for rows, match in [
        ([row("a", mask), row("a", mask)], "names two rows"),
        ([row("a", mask), row("b", mask, height=5)], "mask is 4x3 but its image is 4x5"),
        ([row("a", mask, mask=MaskRef(uri="/nowhere/a.png"))], "no such file"),
    ]:
        table = write_table(tmp_path / f"table {match[:5]}", rows)
        with pytest.raises(InputError, match=match):
            export(table, tmp_path / "out", ["a"], LIMIT)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("table")]


@EXPORTS
def test_the_destination(table, tmp_path, export):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for name in ("full", "file", "file/below"):
        with pytest.raises(InputError):
            export(table, tmp_path / name, ["a"], LIMIT)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert (tmp_path / "file").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    export(table, tmp_path / "empty", ["a"], LIMIT)
    assert len(listed(tmp_path / "empty")) == 3


@EXPORTS
def test_exports_are_reproducible(table, tmp_path, export):
    for name in ("a", "b"):
        export(table, tmp_path / name, ["lesion"], LIMIT)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert files
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
