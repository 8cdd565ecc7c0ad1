"""Which made labels the report shows, and what it says of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.report.examples import OUTLINE, contact_sheet, label_examples


def test_labels_are_shown_from_best_to_worst_and_say_who_made_them(tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((8, 8, 3), 90, np.uint8))
    mask = np.zeros((8, 8), np.uint8)
    mask[2:6, 2:6] = 1
    rows = []
    for name, labeler, dice in (("a", "compact", 0.25), ("b", "imported", 0.75), ("c", "compact", 0.5)):
        bare = ImageRow(name, name, str(tmp_path / "image.png"), name, 8, 8)
        made = bare.with_label("weak", MaskRef(png=encode_mask(mask)), {"labeler": labeler})
        rows.append(replace(made, decision="accept", predicted_dice=dice, low=0.1, high=0.9))
    shown = label_examples(write_table(tmp_path / "table", rows), 1, 1000)
    assert [(example.image_id, example.caption) for example in shown["best"]] == [
        ("b", "accept: predicted Dice 0.75 [0.10, 0.90], made by imported"),
        ("c", "accept: predicted Dice 0.50 [0.10, 0.90], made by compact"),
        ("a", "accept: predicted Dice 0.25 [0.10, 0.90], made by compact"),
    ]
    assert shown["best"][0].layers["mask"].tolist() == mask.tolist()


@pytest.mark.parametrize(
    ("values", "outlined"),
    [((0, 255), (1, 6)), ((0, 1), (1, 6)), ((1, 2), (1, 3, 4, 6))],
    ids=["0 and 255", "0 and 1", "two classes"],
)
@pytest.mark.parametrize("kept", ["file", "table"])
def test_a_contact_sheet_outlines_masks_as_experts_save_them(tmp_path, values, outlined, kept):
    """The mask's columns 1 to 3 hold one value and 4 to 6 another, at 16 pixels of the tile a column."""
    mask = np.zeros((8, 8), np.uint8)
    mask[1:7, 1:4], mask[1:7, 4:7] = values if 0 not in values else values[1:] * 2
    cv2.imwrite(str(tmp_path / "image.png"), np.full((8, 8, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    ref = MaskRef(uri=str(tmp_path / "mask.png")) if kept == "file" else MaskRef(png=encode_mask(mask))
    row = ImageRow("a", "a", str(tmp_path / "image.png"), "a", 8, 8).with_label("gold", ref, {})
    sheet = cv2.imdecode(np.frombuffer(contact_sheet([row], columns=1), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    drawn = (sheet[64] == OUTLINE.colour).all(axis=-1)
    assert sheet.shape == (128, 128, 3)
    assert [column for column in range(8) if drawn[16 * column : 16 * column + 16].any()] == list(outlined)


def test_a_contact_sheet_shows_an_image_without_a_mask_as_it_is(tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((8, 4, 3), 90, np.uint8))
    row = ImageRow("a", "a", str(tmp_path / "image.png"), "a", 8, 4)
    sheet = cv2.imdecode(np.frombuffer(contact_sheet([row], columns=2, side=8), np.uint8), cv2.IMREAD_COLOR)
    assert (sheet[:, :4] == 90).all() and (sheet[:, 4:] == 255).all()
