"""Prediction over tables: out-of-fold members, and scores that match the metrics of each image."""

import cv2
import numpy as np
import pytest

from medweave.config import parse_settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.segmentation import OutOfFold, evaluate_segmenter
from medweave.segmentation.metrics import image_metrics
from medweave.segmentation.segmenter import Prediction


class Ensemble:
    """Member k says k / 10 everywhere and of its flips too, all together 0.9; member 1 never saw group `g1`."""

    digest = "ensemble"

    def unseen_member(self, group_id):
        return {"g0": 0, "g1": 1}.get(group_id)

    flips = True

    def predict(self, images, member=None):
        values = [(0.9 if member is None else member / 10) + image[0, 0, 0] / 1000 for image in images]
        maps = np.stack([np.full((1, 2, 2), value, np.float32) for value in values])
        return Prediction(maps, np.array(values, np.float32) if self.flips else None)


class Threshold:
    """Calls what is bright foreground, and in another precision than fp32 nothing."""

    def __init__(self, precision="auto"):
        self.precision = precision

    def on(self, compute):
        return Threshold(compute.precision)

    def predict_masks(self, images):
        return ((image[..., 0] > 100).astype(np.uint8) * (self.precision == "fp32") for image in images)


def test_a_group_is_judged_by_the_member_that_never_saw_it_in_the_order_of_the_rows():
    rows = [ImageRow(str(k), group, "", "", 1, 1) for k, group in enumerate(["g1", "other", "g0", "g1"])]
    images = [np.full((1, 1, 3), k, np.uint8) for k in range(4)]
    found = OutOfFold(Ensemble()).probabilities(images, rows)
    assert found[:, 0, 0, 0] == pytest.approx([0.100, 0.901, 0.002, 0.103])
    features = [features for _, features in OutOfFold(Ensemble()).predict(images, rows)]
    assert [set(feature) for feature in features] == [{"flip_agreement"}] * 4
    assert [feature["flip_agreement"] for feature in features] == pytest.approx([0.100, 0.901, 0.002, 0.103])


def test_without_flips_there_is_no_agreement_of_flips():
    coarse = Ensemble()
    coarse.flips = False
    row, image = ImageRow("0", "g0", "", "", 1, 1), np.zeros((1, 1, 3), np.uint8)
    assert [features for _, features in OutOfFold(coarse).predict([image], [row])] == [{}]


def test_scores_are_those_of_each_image_in_the_precision_of_the_settings(tmp_path):
    rng = np.random.default_rng(0)
    rows, expected = [], []
    for k in range(3):
        image = rng.integers(0, 255, (20, 24), dtype=np.uint8)
        mask = np.zeros((20, 24), np.uint8)
        mask[5:15, 4 : 10 + 3 * k] = 255
        for folder, pixels in (("images", image), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{k}.png"), pixels)
        row = ImageRow(f"i{k}", f"g{k}", str(tmp_path / "images" / f"{k}.png"), "", 20, 24)
        rows.append(row.with_label("gold", MaskRef(uri=str(tmp_path / "masks" / f"{k}.png")), {}, "sha"))
        expected.append(image_metrics((image > 100).astype(np.uint8), (mask > 0).astype(np.uint8), 1, 2.0)["dice"])
    settings = parse_settings({"task": "x", "evaluation": {"surface_tolerance": 2.0}, "compute": {"precision": "fp32"}})
    scores = evaluate_segmenter(Threshold(), write_table(tmp_path / "table", rows), settings)
    assert [row.image_id for row in scores.rows] == ["i0", "i1", "i2"]
    assert [row.dice for row in scores.rows] == pytest.approx(expected)
