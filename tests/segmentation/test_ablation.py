"""The ablation: what is changed in each variant, and what is said about it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.config import Consistency, Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.segmentation import ablate, evaluate_segmenter, train_on
from medweave.segmentation.ablation import variants
from medweave.segmentation.networks import architecture_of
from medweave.segmentation.segmenter import Card
from medweave.segmentation.training_set import TrainingSet
from tests.segmentation.conftest import make_discs


@pytest.fixture
def settings(recipe, compute) -> Settings:
    parts = {"members": 1, "consistency": Consistency(weight=1.0)}
    return Settings(task="x", segmentation=recipe.model_copy(update=parts), compute=compute)


@pytest.fixture
def data() -> TrainingSet:
    """Two gold images, an accepted label, one in review, an image without a label."""
    discs = make_discs(5, gold=2)
    sources = ("gold", "gold", "weak", "weak", "none")
    rows = tuple(replace(row, label_source=source) for row, source in zip(discs.rows, sources, strict=True))
    return replace(discs, weights=np.array([1, 1, 0.6, 0, 0], np.float32), rows=rows)


def test_one_part_is_off_at_a_time(data, settings):
    found = {variant.name: variant for variant in variants(data, settings)}
    weights = {name: variant.data.weights.round(3).tolist() for name, variant in found.items()}
    as_it_was = pytest.approx([1, 1, 0.6, 0, 0])
    assert weights == {
        "without consistency on unlabeled images": as_it_was,
        "without weak labels": [1, 1, 0, 0, 0],
        "accepted labels at full weight": [1, 1, 1, 0, 0],
        "plain cross-entropy on weak labels": as_it_was,
        "all labels, accepted or not, at full weight": [1, 1, 1, 1, 0],
    }
    changed = {name: variant.settings for name, variant in found.items() if variant.settings != settings}
    assert changed.keys() == {"without consistency on unlabeled images", "plain cross-entropy on weak labels"}
    assert changed["without consistency on unlabeled images"].segmentation.consistency.weight == 0
    assert changed["plain cross-entropy on weak labels"].segmentation.noise == 0
    assert data.weights.tolist() == as_it_was


def test_synthetic_images_are_a_part_of_their_own(data, settings):
    sources = ("gold", "gold", "weak", "synthetic", "none")
    rows = tuple(replace(row, label_source=source) for row, source in zip(data.rows, sources, strict=True))
    mixed = replace(data, rows=rows, weights=np.array([1, 1, 0.6, 0.5, 0], np.float32))
    found = {variant.name: variant.data for variant in variants(mixed, settings)}
    assert found["without synthetic images"].drawn.tolist() == [True, True, True, False, True]
    assert found["without synthetic images"].weights.tolist() == mixed.weights.tolist()
    assert found["without weak labels"].weights.tolist() == pytest.approx([1, 1, 0, 0.5, 0])
    assert found["without weak labels"].drawn.all()
    assert "without synthetic images" not in {variant.name for variant in variants(data, settings)}


def test_what_is_off_anyway_is_left_out(data, settings):
    off = {"noise": 0.0, "consistency": Consistency(weight=0.0)}
    plain = settings.model_copy(update={"segmentation": settings.segmentation.model_copy(update=off)})
    nothing_accepted = replace(data, weights=np.array([1, 1, 0, 0, 0], np.float32))
    assert [variant.name for variant in variants(nothing_accepted, plain)] == [
        "all labels, accepted or not, at full weight"
    ]


def test_each_variant_is_compared_with_the_final_model_on_the_test_images(data, settings, recipe, tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 1
    rows = []
    for name in ("t1", "t2"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), mask * 200)
        row = ImageRow(name, name, str(tmp_path / f"{name}.png"), "", 32, 32)
        rows.append(row.with_label("gold", MaskRef(png=encode_mask(mask)), {}))
    test = write_table(tmp_path / "test", rows)
    card = Card(architecture_of(recipe, 1), ("foreground",), 32, "random", (1,), training={"stop_share": 0.5})
    final = evaluate_segmenter(train_on(data, card, settings, "final", tmp_path / "final"), test, settings)
    measured = ablate(data, card, settings, test, final, tmp_path / "work")
    assert [part["name"] for part in measured] == [variant.name for variant in variants(data, settings)]
    mean = np.mean([row.dice for row in final.rows])
    for part in measured:
        assert part["difference"]["mean"] == pytest.approx(part["dice"]["mean"] - mean)
