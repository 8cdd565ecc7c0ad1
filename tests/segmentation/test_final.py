"""Baseline and final model: what they are trained on, how far, and how many of them."""

import cv2
import numpy as np
import pytest

from medweave.config import Settings
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.errors import RunError
from medweave.segmentation import train_on
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


def test_members_differ_stop_early_and_learn_from_gold_and_accepted_labels_only(settings, coarse, row, tmp_path):
    gold = write_table(tmp_path / "gold", [row("g1", "gold", None), row("g2", "gold", None)])
    weak = write_table(
        tmp_path / "weak", [row("a", "weak", "accept"), row("b", "weak", "review"), row("c", "weak", "reject")]
    )
    final = train_on([gold, weak], coarse, settings, "final", tmp_path / "work")
    assert final.card.training["images"] == {"gold": 2, "other": 1}
    assert final.card.training["steps"] == 3  # half of the recipe's 6
    assert set(final.curves()) == {"final 1/2 loss", "final 2/2 loss"}
    image = [np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)]
    one, two = (final.probabilities(image, member) for member in (0, 1))
    assert np.abs(one - two).max() > 1e-3


def test_without_labels_there_is_nothing_to_train_on(settings, coarse, row, tmp_path):
    weak = write_table(tmp_path / "weak", [row("b", "weak", "review")])
    with pytest.raises(RunError, match="no labels to train on"):
        train_on([weak], coarse, settings, "final", tmp_path / "work")
