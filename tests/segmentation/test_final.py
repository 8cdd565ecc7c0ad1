"""Baseline and final model: what they are trained on, how far, and how many of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.config import Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.errors import RunError
from medweave.segmentation import build_training_set, train_on
from medweave.segmentation.networks import architecture_of
from medweave.segmentation.segmenter import Card


@pytest.fixture
def settings(recipe, compute) -> Settings:
    return Settings(task="x", segmentation=recipe.model_copy(update={"members": 2}), compute=compute)


@pytest.fixture
def coarse(recipe) -> Card:
    return Card(architecture_of(recipe, 1), ("foreground",), 32, "random", (1,), training={"stop_share": 0.5})


@pytest.fixture
def row(tmp_path):
    def make(name: str, source: str, decision: str | None) -> ImageRow:
        mask = np.zeros((20, 20), np.uint8)
        mask[5:15, 5:15] = 1
        cv2.imwrite(str(tmp_path / f"{name}.png"), mask * 200)
        bare = ImageRow(name, name, str(tmp_path / f"{name}.png"), "", 20, 20, decision=decision)
        return bare.with_label(source, MaskRef(png=encode_mask(mask)), {})

    return make


def test_members_differ_stop_early_and_learn_labels_from_gold_and_accepted_ones_only(settings, coarse, row, tmp_path):
    gold = write_table(tmp_path / "gold", [row("g1", "gold", None), row("g2", "gold", None)])
    weak = write_table(
        tmp_path / "weak", [row("a", "weak", "accept"), row("b", "weak", "review"), row("c", "weak", "reject")]
    )
    data = build_training_set([gold, weak], [], settings, tmp_path / "data")
    final = train_on(data, coarse, settings, "final", tmp_path / "work")
    assert final.card.training["images"] == {"gold": 2, "labelled": 1, "unlabelled": 2}
    assert final.card.training["steps"] == 3  # half of the recipe's 6
    assert set(final.curves()) == {"final 1/2 loss", "final 2/2 loss"}
    image = [np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)]
    one, two = (final.probabilities(image, member) for member in (0, 1))
    assert np.abs(one - two).max() > 1e-3


def test_without_labels_there_is_nothing_to_train_on(settings, row, tmp_path):
    weak = write_table(tmp_path / "weak", [row("b", "weak", "review")])
    with pytest.raises(RunError, match="no labels to train on"):
        build_training_set([weak], [], settings, tmp_path / "data")


def test_of_made_images_only_those_with_an_accepted_label_are_taken(settings, row, tmp_path):
    gold = write_table(tmp_path / "gold", [row("g1", "gold", None)])
    rows = [row("a", "synthetic", "accept"), row("b", "synthetic", "reject")]
    made = write_table(tmp_path / "made", [replace(rows[0], weight=0.7), rows[1]])
    data = build_training_set([gold], [made], settings, tmp_path / "data")
    assert [entry.image_id for entry in data.rows] == ["g1", "a"]
    assert data.weights.tolist() == pytest.approx([1.0, 0.7])


def test_real_images_come_with_or_without_a_label_and_count_by_their_trust(settings, row, tmp_path):
    gold = write_table(tmp_path / "gold", [row("g1", "gold", None)])
    bare = replace(row("c", "weak", None), label_source="none", label_id=None, mask=MaskRef())
    weak = write_table(
        tmp_path / "weak", [replace(row("a", "weak", "accept"), weight=0.6), row("b", "weak", "review"), bare]
    )
    data = build_training_set([gold, weak], [], settings, tmp_path / "data")
    assert [entry.image_id for entry in data.rows] == ["g1", "a", "b", "c"]
    assert data.weights.tolist() == pytest.approx([1.0, 0.6, 0.0, 0.0])
    assert data.gold.tolist() == [True, False, False, False]
    # 10 of 20 px in the mask's square: at 32 px it is 16 px wide.
    assert [int(mask.sum()) for mask in data.masks] == [256, 256, 256, 0]
    assert data.labelled().drawn.tolist() == [True, True, False, False]
