from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medweave.data.table import ImageRow, write_table
from medweave.quality.review import choose_for_review, greedy_cover, uncertainty


def row(image_id="a", **changes) -> ImageRow:
    values = {"group_id": image_id, "image_uri": f"/x/{image_id}.png", "image_sha256": image_id}
    return ImageRow(image_id=image_id, height=8, width=8, **{**values, **changes})


@pytest.mark.parametrize(
    ("predicted", "low", "high", "expected"),
    [
        (None, None, None, 0.5),
        (0.5, None, None, 1.0),
        (0.25, None, None, 0.5),
        (0.75, None, None, 0.5),
        (1.0, None, None, 0.0),
        (0.75, 0.25, 1.0, 0.625),
        (1.0, 1.0, 1.0, 0.0),
    ],
)
def test_uncertainty(predicted, low, high, expected):
    assert uncertainty(row(predicted_dice=predicted, low=low, high=high)) == expected


@pytest.mark.parametrize(
    ("predicted", "alike", "expected"),
    [
        (1.0, 0.0, 1.0),  # sure of itself, and contradicted
        (0.75, 0.75, 0.5),  # no news
        (0.75, 0.25, 1.0),
        (0.25, 0.0, 0.25),  # believed wrong, and contradicted: more surely wrong
        (1.0, 1.0, 0.0),
    ],
)
def test_uncertainty_with_a_second_opinion(predicted, alike, expected):
    assert uncertainty(row(predicted_dice=predicted, features={"second_opinion": alike})) == expected


EAST, NORTH = (1.0, 0.0), (0.0, 1.0)


def test_of_two_that_are_alike_only_one_comes_before_the_rest():
    vectors = np.array([EAST, EAST, EAST, NORTH])
    # three alike: 1 x (1 + 1 + 0.5); once the first is chosen, the second adds nothing and the lone one 0.25
    assert greedy_cover(np.array([1.0, 1.0, 0.5, 0.5]), vectors, 4) == [0, 3, 1, 2]


def test_an_uncertain_loner_yields_to_many_and_a_certain_one_to_an_uncertain_one():
    vectors = np.array([NORTH, EAST, EAST, EAST])
    assert greedy_cover(np.array([1.0, 0.7, 0.6, 0.6]), vectors, 2) == [1, 0]  # 0.7 x 1.9 = 1.33 against 1
    assert greedy_cover(np.array([1.0, 0.5, 0.5, 0.5]), vectors, 2) == [0, 1]  # 0.5 x 1.5 = 0.75 against 1


def test_the_lazy_choice_is_the_plain_greedy_one():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = rng.uniform(size=300)
    served = np.outer(weights, weights) * np.maximum(vectors @ vectors.T, 0)
    covered, expected = np.zeros(300), []
    for _ in range(12):
        gains = np.maximum(served - covered, 0).sum(axis=1)
        gains[expected] = -1
        expected.append(int(gains.argmax()))
        covered = np.maximum(covered, served[expected[-1]])
    assert greedy_cover(weights, vectors, 12) == expected


@pytest.fixture
def table(tmp_path):
    left = np.zeros((40, 40), np.uint8)
    left[:, :20] = 200
    rows = []
    for name, pixels in {"l0": left, "l1": left + 5, "l2": left + 9, "t0": left.T, "t1": left.T + 5}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        rows.append(row(name, image_uri=str(tmp_path / f"{name}.png"), predicted_dice=0.75, decision="review",
                        label_source="weak", made_by={"reason": "predicted Dice 0.50 is below 0.6"}))  # fmt: skip
    rows[3] = row("t0", image_uri=rows[3].image_uri, decision="reject", made_by={"missing": "nothing was seen"})
    return write_table(tmp_path / "table", rows, shard_rows=2)


def test_a_contradicted_label_comes_before_one_that_is_as_sure_of_itself(table, tmp_path):
    rows = [
        replace(row, decision="review", made_by={}, predicted_dice=1.0) for shard in table.shards() for row in shard
    ]
    rows[4] = replace(rows[4], features={"second_opinion": 0.0})
    (first,) = choose_for_review(write_table(tmp_path / "contradicted", rows), 1, 10_000)
    assert first.row.image_id == "t1"


def test_choice_from_a_table(table):
    picks = choose_for_review(table, 2, 10_000)
    # all are equally uncertain: first one of the three that are alike, then one of the two
    assert [pick.row.image_id[0] for pick in picks] == ["l", "t"]
    assert picks[0].why == "to review: predicted Dice 0.50 is below 0.6; stands for 3 of 5 images"
    assert picks[1].why.endswith("; stands for 2 of 5 images")
    (missing,) = choose_for_review(table, 1, 10_000, {"l0", "l1", "l2", "t1"})
    assert missing.why == "no label: nothing was seen; stands for 1 of 1 images"


def test_what_is_corrected_is_left_out_and_a_count_too_large_gives_all(table):
    picks = choose_for_review(table, 99, 10_000, {"t0", "l1"})
    assert {pick.row.image_id for pick in picks} == {"l0", "l2", "t1"}
    assert choose_for_review(table, 99, 10_000, {"l0", "l1", "l2", "t0", "t1"}) == []


def test_one_image_stands_for_itself(table, tmp_path):
    one = write_table(tmp_path / "one", [next(iter(table))])
    assert choose_for_review(one, 3, 10_000)[0].why.endswith("stands for 1 of 1 images")
