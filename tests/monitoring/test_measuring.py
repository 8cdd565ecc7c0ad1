"""What is watched of images whose labels were made elsewhere, by the champion, or not at all."""

import cv2
import numpy as np
import pytest

from medweave.config import Data
from medweave.data import ImageRow, MaskRef, write_table
from medweave.monitoring import Observers, measure, measured_training
from medweave.segmentation import Segmenter
from medweave.segmentation.networks import Architecture, build_network
from medweave.segmentation.segmenter import Card


@pytest.fixture
def champion():
    architecture = Architecture("Compact", "compact", None, 1)
    return Segmenter(Card(architecture, ("lesion",), 32, "random", (1,)), [build_network(architecture)])


@pytest.fixture
def images(tmp_path):
    """Two images, and a mask of the first, a tenth of it."""
    for name in ("first", "second"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 10:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    rows = [ImageRow(name, name, str(tmp_path / f"{name}.png"), "0" * 64, 40, 50) for name in ("first", "second")]
    return write_table(tmp_path / "images", rows)


def test_an_image_without_one_of_the_given_labels_is_watched_without(champion, images, tmp_path):
    given = {"first": MaskRef(uri=str(tmp_path / "mask.png"))}
    first, second = measure(images, Observers(champion=champion, labels=given), Data(), tmp_path / "given")
    assert first.features["label.area_share"] == pytest.approx(0.1)
    assert "label.agreement" in first.features and first.made_by == {"labeler": "given"}
    assert (second.label_source, [name for name in second.features if name.startswith("label.")]) == ("none", [])
    assert "model.confidence" in second.features


def test_without_given_labels_they_are_the_champions(champion, images, tmp_path):
    for row in measure(images, Observers(champion=champion), Data(), tmp_path / "predicted"):
        assert row.made_by == {"segmenter": champion.digest}
        assert "label.empty" in row.features and "label.agreement" not in row.features


def test_training_images_are_measured_again_when_an_expert_has_drawn_another_mask(champion, images, tmp_path):
    def shares(expert):
        mask = MaskRef(uri=str(tmp_path / "mask.png"))
        rows = [row.with_label("gold", mask, {"labeler": expert}, expert) for row in images]
        observers, data = Observers(champion=champion), Data()
        measured, _ = measured_training(rows, observers, data, labelled_elsewhere=True, folder=tmp_path / "kept")
        return measured.root, [row.features["label.area_share"] for row in measured]

    before, shown = shares("one")
    assert shown == pytest.approx([0.1, 0.1]) and shares("one")[0] == before
    mask = np.zeros((40, 50), np.uint8)
    mask[:20] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    after, shown = shares("another")
    assert shown == pytest.approx([0.5, 0.5]) and after != before
