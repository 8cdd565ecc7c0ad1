import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medweave import cli
from medweave.errors import InputError
from medweave.segmentation.bootstrap import bootstrap_mean
from medweave.segmentation.evaluation import Evaluation, ImageScore, evaluate_folders, evaluate_masks
from medweave.segmentation.metrics import image_metrics


def score(image_id, dice, group_id=None, empty=0.0):
    return ImageScore(image_id, group_id or image_id, dice, dice / (2 - dice), dice, 10 * (1 - dice), empty)


def disc(radius, shape=(48, 64)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return ((y - 24) ** 2 + (x - 30) ** 2 <= radius**2).astype(np.uint8)


def write(folder: Path, masks, scale=1):
    folder.mkdir(exist_ok=True)
    for name, mask in masks.items():
        Image.fromarray(mask * np.uint8(scale)).save(folder / name)
    return folder


def test_each_of_several_classes_has_a_dice_of_its_own(tmp_path):
    first, second, none = disc(5), 2 * disc(8), np.zeros((48, 64), np.uint8)
    pairs = [("a", "p", first, first), ("b", "q", second, none), ("c", "q", none, none), ("d", "r", second, second)]
    evaluation = evaluate_masks(iter(pairs), 2, 1.0, total=4)
    one, two = evaluation.by_class(resamples=400, seed=3)
    assert (one["images"], one["dice"]["mean"], two["images"], two["dice"]["mean"]) == (1, 1.0, 2, 0.5)
    expected = bootstrap_mean([np.nan, 0.0, np.nan, 1.0], ["p", "q", "q", "r"], 400, 3)
    assert two["dice"]["ci95"] == [expected.low, expected.high]
    evaluation.to_frame().to_parquet(tmp_path / "scores.parquet")
    assert Evaluation.from_frame(pd.read_parquet(tmp_path / "scores.parquet")).digest == evaluation.digest
    assert list(evaluation.to_frame().columns)[-2:] == ["dice_1", "dice_2"]
    assert evaluate_masks(iter(pairs[:1]), 2, 1.0, total=1).by_class(400, 3)[1] == {"images": 0, "dice": None}
    assert evaluate_masks(iter(pairs[:1]), 1, 1.0, total=1).by_class(resamples=400, seed=3) == []


def test_summary_has_the_form_of_the_contract():
    evaluation = Evaluation((score("a", 0.5, "p"), score("b", 1.0, "q"), score("c", 0.0, "q", empty=1.0)))
    summary = evaluation.summary(resamples=400, seed=3)
    assert list(summary) == ["dice", "iou", "nsd", "hd95", "empty_rate"]
    dice = bootstrap_mean([0.5, 1.0, 0.0], ["p", "q", "q"], 400, 3)
    assert summary["dice"] == {"mean": 0.5, "ci95": [dice.low, dice.high]}
    assert summary["hd95"]["mean"] == 5.0
    assert summary["empty_rate"] == pytest.approx(1 / 3)


def test_images_with_an_empty_mask_are_told_apart(tmp_path):
    some, none = disc(6), np.zeros((48, 64), np.uint8)
    pairs = [("a", "p", some, some), ("b", "q", none, some), ("c", "r", none, none), ("d", "s", some, none)]
    evaluation = evaluate_masks(iter(pairs), 1, 1.0, total=4)
    summary = evaluation.summary(resamples=400, seed=3)
    assert (summary["dice"]["mean"], summary["empty_rate"]) == (0.5, 0.25)
    expected = bootstrap_mean([1.0, 0.0], ["p", "q"], 400, 3)
    assert summary["with_structure"] == {
        "images": 2, "empty_masks": 2, "dice": {"mean": 0.5, "ci95": [expected.low, expected.high]}, "missed_rate": 0.5,
    }  # fmt: skip
    evaluation.to_frame().to_parquet(tmp_path / "scores.parquet")
    assert Evaluation.from_frame(pd.read_parquet(tmp_path / "scores.parquet")) == evaluation
    assert "with_structure" not in evaluate_masks(iter(pairs[:2]), 1, 1.0, total=2).summary(400, 3)
    nothing = evaluate_masks(iter(pairs[2:]), 1, 1.0, total=2).with_structure(400, 3)
    assert nothing == {"images": 0, "empty_masks": 2, "dice": None, "missed_rate": None}


def test_scores_of_before_empty_masks_were_recorded_are_read():
    columns = ["image_id", "group_id", "dice", "iou", "nsd", "hd95", "empty", "dice_1", "dice_2"]
    old = pd.DataFrame([["a", "p", 0.5, 0.4, 0.6, 3.0, 0.0, 0.25, 0.75]], columns=columns)
    assert Evaluation.from_frame(old).rows == (ImageScore("a", "p", 0.5, 0.4, 0.6, 3.0, 0.0, (0.25, 0.75)),)


def test_the_command_says_how_many_masks_are_empty(tmp_path, monkeypatch, capsys):
    some, none = disc(6), np.zeros((48, 64), np.uint8)
    predictions = write(tmp_path / "p", {"a.png": some, "b.png": none, "c.png": none, "d.png": some})
    masks = write(tmp_path / "m", {"a.png": some, "b.png": some, "c.png": none, "d.png": some})

    def lines(folder):
        monkeypatch.setattr(sys, "argv", ["medweave", "evaluate", "--predictions", str(folder), "--masks", str(masks)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        return capsys.readouterr().out.splitlines()

    told = lines(predictions)
    assert told[0] == "images         4, 1 with an empty mask: Dice 1 if nothing is predicted, else 0"
    assert told[1].startswith("Dice           0.7500  95 % interval ")
    assert told[-2].startswith("Dice where there is something  0.6667  95 % interval ")
    assert told[-1] == "structure missed in 33.3% of the 3 images that have one"
    (masks / "c.png").unlink(), (predictions / "c.png").unlink()
    told = lines(predictions)
    assert told[0] == "images         3" and len(told) == 6
    assert told[-1] == "structure missed in 33.3% of the 3 images that have one"


def test_frame_has_a_row_an_image():
    frame = Evaluation((score("a", 0.5, "p"), score("b", 1.0))).to_frame()
    assert list(frame.columns) == ["image_id", "group_id", "dice", "iou", "nsd", "hd95", "empty", "normal"]
    assert frame["group_id"].tolist() == ["p", "b"]
    assert frame["dice"].tolist() == [0.5, 1.0]
    assert list(Evaluation(()).to_frame().columns) == list(frame.columns)


def test_difference_is_paired_by_image_id_whatever_the_order():
    ours = Evaluation((score("a", 0.9), score("b", 0.5), score("c", 0.3)))
    theirs = Evaluation((score("c", 0.1), score("a", 0.7), score("b", 0.3)))
    assert ours.difference(theirs, resamples=200, seed=0).low == pytest.approx(0.2)
    assert ours.difference(theirs, resamples=200, seed=0).high == pytest.approx(0.2)
    assert ours.difference(theirs, "hd95", resamples=200, seed=0).mean == pytest.approx(-2.0)
    with pytest.raises(InputError, match=r"^c, d: evaluated on one side only"):
        ours.difference(Evaluation((*theirs.rows[1:], score("d", 0.5))), resamples=200, seed=0)


def test_masks_are_scored_one_at_a_time():
    seen = []

    def pairs():
        for radius in (5, 8):
            seen.append(radius)
            yield f"disc_{radius}", "patient", disc(radius), disc(7)

    evaluation = evaluate_masks(pairs(), classes=1, tolerance=1.5, total=2)
    assert seen == [5, 8]
    expected = ImageScore("disc_5", "patient", **image_metrics(disc(5), disc(7), 1, 1.5))
    assert evaluation.rows[0] == expected
    assert evaluation.rows[1] == replace(expected, image_id="disc_8", **image_metrics(disc(8), disc(7), 1, 1.5))


def test_folders_are_paired_by_name_without_extension(tmp_path, capsys):
    predictions = write(tmp_path / "p", {"b.png": disc(5), "a.png": disc(9), "c.png": disc(6)})
    masks = write(tmp_path / "m", {"a.png": disc(10), "b.tif": disc(5), "c.png": disc(8)}, scale=255)
    groups = tmp_path / "groups.csv"
    with groups.open("w", newline="") as file:
        csv.writer(file).writerows([["image_id", "group_id"], ["a", "p1"], ["b.tif", "p1"], ["d", "p2"]])
    evaluation = evaluate_folders(predictions, masks, 1, 2.0, groups)
    assert [(row.image_id, row.group_id) for row in evaluation.rows] == [("a", "p1"), ("b", "p1"), ("c", "c")]
    warned = capsys.readouterr().err
    assert f"warning: {groups}: 1 of 3 images have no group ('c' is the first); each counts" in warned
    assert f"warning: {groups}: 1 of its ids are no image's ('d' is the first)" in warned
    assert evaluation.rows[0].dice == pytest.approx(image_metrics(disc(9), disc(10), 1, 2.0)["dice"])
    assert evaluation.rows[1].dice == 1.0
    assert [row.group_id for row in evaluate_folders(predictions, masks, 1, 2.0).rows] == ["a", "b", "c"]


def test_several_classes_are_read_as_they_are(tmp_path):
    two = disc(10) + disc(4)
    evaluation = evaluate_folders(
        write(tmp_path / "p", {"a.png": disc(10)}), write(tmp_path / "m", {"a.png": two}), 2, 2.0
    )
    assert evaluation.rows[0].dice == pytest.approx(image_metrics(disc(10), two, 2, 2.0)["dice"])
    assert 0.4 < evaluation.rows[0].dice < 0.5


@pytest.mark.parametrize(
    ("predicted", "expected", "message"),
    [
        ({"a.png": 5}, {"a.png": 5, "b.png": 5, "c.png": 5}, r"b\.png, .*c\.png: no file of that name in .*/p;"),
        ({"a.png": 5, "d.png": 5}, {"a.png": 5}, r"d\.png: no file of that name in .*/m;"),
        ({"a.png": 5, "a.tif": 5}, {"a.png": 5}, r"a\.tif: is the second file named a, after .*a\.png"),
        ({"a.png": 5}, {"b.png": 5}, r"/p: no file has the name of one in .*/m"),
    ],
)
def test_what_cannot_be_paired_is_named(tmp_path, predicted, expected, message):
    predictions = write(tmp_path / "p", {name: disc(radius) for name, radius in predicted.items()})
    masks = write(tmp_path / "m", {name: disc(radius) for name, radius in expected.items()})
    with pytest.raises(InputError, match=message) as caught:
        evaluate_folders(predictions, masks, 1, 2.0)
    assert "\n" not in str(caught.value)


def test_at_most_ten_files_are_named(tmp_path):
    predictions = write(tmp_path / "p", {"a.png": disc(5)})
    masks = write(tmp_path / "m", {"a.png": disc(5), **{f"x{i:02}.png": disc(5) for i in range(13)}})
    with pytest.raises(InputError, match=r"x09\.png and 3 more: ") as caught:
        evaluate_folders(predictions, masks, 1, 2.0)
    assert "x10" not in str(caught.value)


def test_another_size_names_both_files(tmp_path):
    predictions = write(tmp_path / "p", {"a.png": disc(5, (24, 32))})
    masks = write(tmp_path / "m", {"a.png": disc(5)})
    with pytest.raises(InputError, match=r"p/a\.png: is 32 x 24 pixels but .*m/a\.png is 64 x 48"):
        evaluate_folders(predictions, masks, 1, 2.0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("image_id,patient\na,p1\n", "has no column 'group_id'"),
        ("image_id,patient\n", "has no column 'group_id'"),
        ("", "is empty"),
        (None, "no such CSV"),
        ("image_id,group_id\nA,p1\n", "names no image: 'A' is the first image_id there; write ids such as 'a'"),
    ],
)
def test_groups_that_are_of_no_image_are_refused(tmp_path, content, problem):
    folder = write(tmp_path / "p", {"a.png": disc(5)})
    groups = tmp_path / "groups.csv"
    if content is not None:
        groups.write_text(content)
    with pytest.raises(InputError, match=rf"groups\.csv: {problem}"):
        evaluate_folders(folder, folder, 1, 2.0, groups)


def test_digest_tells_scores_apart():
    one = Evaluation((score("a", 0.5), score("b", 0.7)))
    assert one.digest == Evaluation((score("a", 0.5), score("b", 0.7))).digest
    assert one.digest != Evaluation((score("a", 0.5), score("b", 0.71))).digest
    assert one.digest != Evaluation((score("a", 0.5), score("b", 0.7, group_id="p"))).digest
