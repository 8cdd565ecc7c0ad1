import cv2
import numpy as np
import pytest

from medweave.config import Data
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.corrections import CorrectionStore
from medweave.data.masks import encode_mask
from medweave.monitoring import Reviewed, expert_masks, review_batches, reviewed_batches
from medweave.monitoring.reviewed import MASKS, write_masks
from tests.monitoring.conftest import add, batch


def square(size):
    mask = np.zeros((16, 16), np.uint8)
    mask[:size, :size] = 1
    return mask


@pytest.fixture
def judged(store, tmp_path):
    """A batch of two images, each labelled with a 4x4 square, and one before it that kept no labels."""
    add(store, batch(0))
    rows = [ImageRow(name, name, f"/{name}.png", name * 64, 16, 16) for name in "ab"]
    rows = [row.with_label("weak", MaskRef(png=encode_mask(square(4))), {}) for row in rows]
    write_masks(write_table(tmp_path / "table", rows), store.folder(add(store, batch(1))) / MASKS)
    return store


def test_the_true_dice_is_that_of_the_images_experts_have_drawn(judged, tmp_path):
    assert reviewed_batches(judged) == review_batches(judged, {}, Data()) == {}
    path = tmp_path / "expert.png"
    cv2.imwrite(str(path), square(2) * 255)
    found = review_batches(judged, {"a" * 64: MaskRef(uri=str(path)), "c" * 64: MaskRef(uri="/absent")}, Data())
    assert found == {"b001": Reviewed(1, pytest.approx(2 * 4 / (16 + 4)))}
    found = review_batches(judged, {name * 64: MaskRef(png=encode_mask(square(4))) for name in "ab"}, Data())
    assert found == reviewed_batches(judged) == {"b001": Reviewed(2, 1.0)}


def test_gold_masks_are_the_experts(tmp_path):
    row = ImageRow("a", "a", "/a.png", "a" * 64, 16, 16).with_label("gold", MaskRef(uri="/m.png"), {}, "0" * 64)
    gold = write_table(tmp_path / "gold", [row])
    assert expert_masks(gold, CorrectionStore(str(tmp_path / "none"))) == {"a" * 64: MaskRef(uri="/m.png")}
