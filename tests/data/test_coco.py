import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from medweave.data.coco import read_coco, write_coco

SIZES = {"a": (4, 6)}


def document(segmentation, **changes) -> dict:
    annotation = {"id": 7, "image_id": 3, "category_id": 0, "segmentation": segmentation, "bbox": [0, 0, 1, 1]}
    return {
        "images": [{"id": 3, "file_name": "images/1a2b3c4d-a.png", "height": 4, "width": 6}],
        "annotations": [annotation],
        "categories": [{"id": 0, "name": "lung"}],
        **changes,
    }


def read(content: dict, sizes=SIZES, classes=("heart", "lung")):
    return read_coco(json.dumps(content).encode(), sizes, classes)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=10), elements={"min_value": 0, "max_value": 2}))
def test_what_was_written_is_read_exactly(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("coco") / "annotations.json"
    height, width = mask.shape
    assert write_coco(path, ["a", "b"], [({"file_name": "x.png", "height": height, "width": width}, mask)]) == 1
    found = read_coco(path.read_bytes(), {"x": mask.shape}, ["a", "b"])
    assert found.problems == [] and found.boxes == []
    np.testing.assert_array_equal(found.masks["x"], mask)


def test_a_pixel_is_in_a_polygon_when_its_centre_is():
    found = read(document([[1.6, 0.4, 4.4, 0.4, 4.4, 2.6, 1.6, 2.6]]))
    expected = np.zeros((4, 6), np.uint8)
    expected[0:3, 2:4] = 2  # centres 2.5 and 3.5 across, 0.5 to 2.5 down; 'lung' is the second class
    np.testing.assert_array_equal(found.masks["a"], expected)


def test_polygons_of_an_annotation_add_up_and_may_leave_the_image():
    found = read(document([[-5, -5, 2, -5, 2, 2, -5, 2], [1, 1, 9, 1, 9, 3, 1, 3]]))
    assert found.masks["a"].tolist() == [[2, 2, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2], [0, 2, 2, 2, 2, 2], [0] * 6]


def test_run_lengths():
    found = read(document({"counts": [4, 2, 18], "size": [4, 6]}))
    assert np.argwhere(found.masks["a"]).tolist() == [[0, 1], [1, 1]]


def test_compressed_run_lengths_are_those_of_pycocotools():
    expected = np.zeros((40, 50), np.uint8)
    expected[5:30, 10:45] = 1
    expected[10:12, 20:25] = 0
    expected[39, 49] = 1
    text = r"e<i0?000000000000000000\OC==CC==CC==CC==CC==700000000000000000000000000000000000000R6XO"
    image = {"id": 3, "file_name": "a.png"}
    found = read(document({"counts": text, "size": [40, 50]}, images=[image]), {"a": (40, 50)})
    np.testing.assert_array_equal(found.masks["a"] == 2, expected == 1)


def test_an_image_without_annotations_is_empty_and_a_box_says_nothing():
    found = read(document([]))
    assert found.problems == [] and found.boxes == ["a"] and not found.masks["a"].any()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (document([[0, 0, 1, 1]]), "annotation 7: its polygon is not three"),
        (document([[0, 0, 1, 1, 2]]), "annotation 7: its polygon is not three"),
        (document({"counts": [4, 2], "size": [4, 6]}), "annotation 7: its run lengths do not fill"),
        (document({"counts": [30, -6], "size": [4, 6]}), "annotation 7: its run lengths do not fill"),
        (document({"counts": [24], "size": [6, 4]}), "annotation 7: its run lengths are of size"),
        (document([], categories=[{"id": 0, "name": "spleen"}]), "'spleen' is no class; use heart, lung"),
        (document([], categories=[]), "category 0 is no class"),
        (document([], images=[]), "annotation 7: its image 3 is not listed"),
        (document([], images=[{"id": 3, "file_name": "b.png"}]), "b.png: is no image that was asked for"),
        (document([], images=[{"id": 3, "file_name": "a.png", "height": 6, "width": 4}]), "is 4x6 here but its image"),
        (document([], images=[{"id": k, "file_name": "a.png"} for k in (3, 4)]), "a.png: is listed twice"),
        (document("wrong"), "annotations.0.segmentation"),
        ({"images": []}, "annotations: Field required"),
    ],
)
def test_what_is_wrong_is_told(content, told):
    (problem,) = read(content).problems
    assert told in problem


def test_an_image_with_a_refused_annotation_has_no_mask():
    for content in (document([], categories=[]), document([[0, 0, 1, 1]])):
        assert read(content).masks == {}


def test_a_name_that_looks_quoted_is_found():
    found = read(document([], images=[{"id": 3, "file_name": "a%20b.png"}]), {"a%20b": (6, 4)})
    assert (found.problems, list(found.masks)) == ([], ["a%20b"])
    found = read(document([], images=[{"id": 3, "file_name": "a%20b.png"}]), {"a b": (6, 4)})
    assert (found.problems, list(found.masks)) == ([], ["a b"])


def test_no_json():
    assert "export it again" in read_coco(b"\xff", SIZES, ["a"]).problems[0]
