import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.data.masks import encode_mask
from medweave.data.probabilities import encode_probabilities
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.quality.pairs import gold_pairs, known_features, trust_features

SIZE = 64
PIXELS = 10_000


def disc(radius, x=32):
    ys, xs = np.mgrid[:SIZE, :SIZE]
    return ((ys - 32) ** 2 + (xs - x) ** 2 <= radius**2).astype(np.uint8)


def as_it_is(mask):
    return mask


@pytest.fixture
def images(tmp_path):
    """Gold discs of seven images in six groups, and what the chain made of them: the first is empty."""
    gold, weak = [], []
    for k in range(7):
        path = tmp_path / f"{k}.png"
        cv2.imwrite(str(path), np.full((SIZE, SIZE, 3), 90, np.uint8))
        bare = ImageRow(f"i{k}", f"g{min(k, 5)}", str(path), hashlib.sha256(b"x").hexdigest(), SIZE, SIZE)
        bare = replace(bare, coarse=encode_probabilities(0.9 * disc(14)[None]), features={"flip_agreement": k / 10})
        gold.append(bare.with_label("gold", MaskRef(png=encode_mask(disc(16))), {}))
        made = encode_mask(disc(8 + k) if k else 0 * disc(8))
        weak.append(bare.with_label("weak", MaskRef(png=made), {"agreement": 0.5, "score": 0.1 * k}))
    return gold, weak


def pairs(images, tmp_path, clean=as_it_is):
    gold, weak = (write_table(tmp_path / name, rows) for name, rows in zip(("gold", "weak"), images, strict=True))
    return gold_pairs(gold, weak, clean, 1, PIXELS)


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_the_chains_labels_come_with_their_true_dice_and_what_was_said_of_them(images, tmp_path):
    found = pairs(images, tmp_path)
    assert found.source == "chain" and [pair.image_id for pair in found.pairs] == [f"i{k}" for k in range(1, 7)]
    for k, pair in enumerate(found.pairs, 1):
        assert pair.dice == pytest.approx(dice(disc(8 + k), disc(16)))
        assert pair.features["agreement"] == pytest.approx(dice(disc(8 + k), disc(14)))
        said = {name: pair.features[name] for name in ("flip_agreement", "prompt_agreement", "score")}
        assert said == pytest.approx({"flip_agreement": k / 10, "prompt_agreement": 0.5, "score": 0.1 * k})


def test_labels_are_cleaned_as_those_to_be_judged(images, tmp_path):
    found = pairs(images, tmp_path, lambda mask: mask & disc(10))
    assert found.pairs[-1].dice == pytest.approx(dice(disc(10), disc(16)))
    assert found.pairs[-1].features["agreement"] == pytest.approx(dice(disc(10), disc(14)))


def test_with_labels_of_four_groups_errors_are_simulated_for_all_images(images, tmp_path):
    gold, weak = images
    weak[1:3] = [replace(row, label_source="none", mask=MaskRef()) for row in weak[1:3]]
    found = pairs((gold, weak), tmp_path, lambda mask: mask & disc(20))
    assert found.source == "simulated"
    assert {pair.image_id for pair in found.pairs} == {row.image_id for row in gold}
    assert 100 < len(found.pairs) <= 7 * 24
    assert all("score" not in pair.features and pair.features["flip_agreement"] >= 0 for pair in found.pairs)
    values = [pair.dice for pair in found.pairs]
    assert min(values) < 0.3 and max(values) > 0.9
    again = pairs((gold, weak), tmp_path / "again", lambda mask: mask & disc(20))
    assert again == found


def test_images_that_the_coarse_model_did_not_see_are_left_out(images, tmp_path):
    gold, weak = images
    found = pairs((gold, [replace(row, coarse=None) for row in weak]), tmp_path)
    assert found.pairs == ()


def test_features_that_few_labels_have_are_not_known(images, tmp_path):
    measured = {"agreement", "expected_dice", "contrast"}
    rows = [replace(row, made_by={"score": 0.5} if k < 3 else {"agreement": 0.5}) for k, row in enumerate(images[1])]
    rows[0] = replace(rows[0], features={"flip_agreement": float("nan")})
    rows.append(replace(rows[0], image_id="none", label_source="none", made_by={"score": 0.5}))
    known = known_features([write_table(tmp_path / "a", rows[:4]), write_table(tmp_path / "b", rows[4:])])
    assert known == {*measured, "flip_agreement", "prompt_agreement"}
    assert known_features([]) == measured


def test_the_masks_own_features_win(images):
    row = images[1][2]
    assert trust_features(row, {"flip_agreement": 0.9})["flip_agreement"] == 0.9


def test_masks_of_the_same_group_are_not_taken_for_those_of_other_images(images, tmp_path):
    apart, together = (
        pairs(
            ([replace(row, group_id=group or row.image_id) for row in images[0]],
             [replace(row, group_id=group or row.image_id, mask=MaskRef()) for row in images[1]]),
            tmp_path / group,
        )
        for group in ("", "one")
    )  # fmt: skip
    counts = [max(sum(p.image_id == f"i{k}" for p in found.pairs) for k in range(7)) for found in (apart, together)]
    assert counts == [24, 22]
