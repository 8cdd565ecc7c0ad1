"""Two labels of an image: which is kept, and when the other one contradicts it."""

from dataclasses import replace

import numpy as np
import pytest

from medweave.config import Quality
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, MaskRef, write_table
from medweave.quality import choose_labels, count_kept
from medweave.quality.gate import kind_of

SETTINGS = Quality(contradicted=0.5)
LEFT, RIGHT = (slice(0, 4),), (slice(2, 6),)


def mask_of(*columns: slice) -> np.ndarray:
    mask = np.zeros((4, 8), np.uint8)
    for index, found in enumerate(columns):
        mask[:, found] = index + 1
    return mask


def label(by: str, mask: np.ndarray | None, decision: str, predicted: float | None, name: str = "a") -> ImageRow:
    bare = ImageRow(name, name, f"{name}.png", name, 4, 8, features={"area_share": 0.1})
    if mask is None:
        return replace(bare, decision=decision, weight=0.0)
    made = bare.with_label("weak", MaskRef(png=encode_mask(mask)), {"labeler": by})
    weight = predicted if decision == "accept" else 0.0
    return replace(
        made, decision=decision, weight=weight, predicted_dice=predicted, made_by={"labeler": by, "reason": "as it is"}
    )


def choose(first, second, tmp_path, settings=SETTINGS, classes=1) -> ImageRow:
    tables = [write_table(tmp_path / name, [row]) for name, row in (("first", first), ("second", second))]
    (row,) = choose_labels(*tables, settings, classes, 1000, tmp_path / "work")
    return row


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (("accept", 0.7), ("accept", 0.8), "second"),
        (("accept", 0.8), ("accept", 0.7), "first"),
        (("accept", 0.7), ("accept", 0.7), "first"),
        (("review", 0.5), ("accept", 0.61), "second"),
        (("accept", 0.6), ("reject", 0.9), "first"),
        (("reject", 0.2), ("review", 0.4), "second"),
        (("review", None), ("review", 0.4), "second"),
    ],
)
def test_the_better_decision_is_kept_then_the_higher_predicted_dice(first, second, kept, tmp_path):
    same = mask_of(*LEFT)
    row = choose(label("first", same, *first), label("second", same, *second), tmp_path)
    assert row.made_by == {"labeler": kept, "reason": "as it is"}
    assert (row.decision, row.predicted_dice) == (first if kept == "first" else second)
    assert row.features == {"area_share": 0.1, "second_opinion": 1.0}


def test_an_accepted_label_that_the_other_contradicts_goes_to_review(tmp_path):
    accepted = label("first", mask_of(*LEFT), "accept", 0.7)
    other = label("second", mask_of(*RIGHT), "reject", 0.2)
    below = choose(accepted, other, tmp_path / "below", Quality(contradicted=0.51))
    assert (below.decision, below.weight, below.predicted_dice) == ("review", 0.0, 0.7)
    assert below.label_id == accepted.label_id
    assert kind_of(below.made_by["reason"]) == "second opinion is below 0.51, the Dice of the image's two labels"
    at = choose(accepted, other, tmp_path / "at", Quality(contradicted=0.5))
    assert (at.decision, at.weight, at.made_by["reason"]) == ("accept", 0.7, "as it is")
    # 2 of 4 columns are shared: 2 * 2 / (4 + 4).
    assert below.features["second_opinion"] == at.features["second_opinion"] == 0.5


def test_classes_are_compared_one_by_one(tmp_path):
    first = label("first", mask_of(slice(0, 4), slice(4, 8)), "accept", 0.7)
    second = label("second", mask_of(slice(0, 4), slice(0, 0)), "review", 0.4)
    assert choose(first, second, tmp_path, classes=2).features["second_opinion"] == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize("other", [None, np.zeros((4, 8), np.uint8)])
def test_no_mask_and_an_empty_one_are_no_opinion(other, tmp_path):
    first = label("first", mask_of(*LEFT), "accept", 0.7)
    second = label("second", other, "reject", None)
    assert choose(first, second, tmp_path / "one") == first
    assert choose(second, first, tmp_path / "two") == first


def test_rows_stay_in_order_and_a_killed_choice_goes_on_after_its_last_shard(tmp_path):
    names = ["c", "a", "b"]
    first = [label("first", mask_of(*LEFT), "accept", 0.7, name) for name in names]
    second = [label("second", mask_of(*LEFT), "accept", p, n) for n, p in zip(names, (0.6, 0.8, 0.9), strict=True)]
    tables = [write_table(tmp_path / by, rows, 2) for by, rows in (("first", first), ("second", second))]
    whole = choose_labels(*tables, SETTINGS, 1, 1000, tmp_path / "whole")
    assert [(row.image_id, row.made_by["labeler"]) for row in whole] == [
        ("c", "first"),
        ("a", "second"),
        ("b", "second"),
    ]
    wrong = [*second[:2], replace(second[2], image_id="other")]
    broken = write_table(tmp_path / "broken", wrong, 2)
    with pytest.raises(ValueError, match="b and other"):
        choose_labels(tables[0], broken, SETTINGS, 1, 1000, tmp_path / "work")
    kept = sorted((tmp_path / "work").glob("*.parquet"))
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    resumed = choose_labels(*tables, SETTINGS, 1, 1000, tmp_path / "work")
    assert resumed.digest == whole.digest
    assert kept[0].stat().st_mtime_ns == before
    assert read_mask(next(iter(resumed)).mask, 1, 1000).tolist() == mask_of(*LEFT).tolist()


def test_masks_that_were_kept_are_counted(tmp_path):
    names = ["a", "b", "c", "d", "e"]
    left, right = mask_of(*LEFT), mask_of(*RIGHT)
    first = [label("first", left, "accept", 0.7, name) for name in names]
    second = [
        label("second", left, "accept", 0.8, "a"),
        label("second", left, "accept", 0.6, "b"),
        label("second", right, "accept", 0.9, "c"),
        label("second", None, "reject", None, "d"),
        label("second", left, "accept", 0.9, "e"),
    ]
    second[3] = replace(second[3], label_source="none", label_id=None, made_by={"missing": "no imported mask"})
    tables = [write_table(tmp_path / by, rows, 2) for by, rows in (("first", first), ("second", second))]
    chosen = choose_labels(*tables, Quality(contradicted=0.6), 1, 1000, tmp_path / "work")
    assert count_kept(chosen, tables[1]) == {
        "made": 4,
        "kept": 3,
        "accepted": 2,
        "missing": {"no imported mask": 1},
    }
