"""Which made labels the report shows, and what it says of them."""

from dataclasses import replace

import cv2
import numpy as np

from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.report.examples import label_examples


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
