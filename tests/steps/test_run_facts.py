"""What a run says of its checks, which a promotion may ask for."""

from dataclasses import replace

from medweave.data import ImageRow, MaskRef, write_table
from medweave.segmentation import Interval
from steps.run_facts import checks, dataset_records, label_metrics
from steps.run_facts import test_metrics as metrics_of_test

NOTHING = {"drift": {}, "skipped": {}}


def test_accepted_labels_that_were_too_few_to_compare_did_not_pass():
    few = {"drift": {}, "skipped": {"weak accepted": "only 4 weak accepted labels; 8 are needed", "weak review": "few"}}
    told = checks({"findings": []}, {"source": "chain"}, few)
    reason = "weak accepted labels could not be compared with gold: only 4 weak accepted labels; 8 are needed"
    assert told == {"validation": "passed", "calibration": "passed", "drift": reason}
    assert checks({"findings": []}, {"source": "chain"}, NOTHING)["drift"] == "passed"


def test_drift_of_accepted_labels_is_named():
    drifted = {"feature": "area_share", "drifted": True}
    found = {"drift": {"weak accepted": [drifted, {"feature": "contrast", "drifted": False}], "weak": [drifted]}}
    told = checks({"findings": []}, {"source": None}, {**NOTHING, **found})
    assert told["drift"] == "accepted labels are unlike gold in area_share"
    assert told["calibration"] == "the predicted Dice could not be learnt from gold"


def test_the_dice_of_each_class_is_a_metric_where_an_image_has_it():
    estimate = {"mean": 0.5, "ci95": [0.25, 0.75]}
    summary = dict.fromkeys(("dice", "iou", "nsd", "hd95"), estimate) | {"empty_rate": 0.125}
    several = [{"images": 3, "dice": estimate}, {"images": 0, "dice": None}]
    measured = {"gold_only": summary, "final": summary | {"by_class": several}}
    metrics = metrics_of_test(measured, Interval(0.0, -1.0, 1.0))
    assert (metrics["test/delta/dice_low"], metrics["test/gold_only/empty_rate"]) == (-1.0, 0.125)
    names = [name for name in metrics if "dice_" in name and "delta" not in name]
    assert set(names) >= {"test/final/dice_1", "test/final/dice_1_low", "test/final/dice_1_high"}
    assert (metrics["test/final/dice_1"], metrics["test/final/dice_1_high"]) == (0.5, 0.75)
    assert not any(name.startswith(("test/final/dice_2", "test/gold_only/dice_1")) for name in metrics)


def test_images_without_a_label_are_no_rejected_labels(tmp_path):
    image = ImageRow("a", "a", "", "", 1, 1)
    made = image.with_label("weak", MaskRef(png=b""), {})
    rows = [
        replace(made, decision="accept", predicted_dice=0.75),
        replace(made, decision="reject", predicted_dice=0.25),
        *[replace(image, decision="reject")] * 3,
    ]
    weak, none = write_table(tmp_path / "weak", rows), write_table(tmp_path / "none", rows[2:])
    gold = write_table(tmp_path / "gold", [image.with_label("gold", MaskRef(png=b""), {})])
    assert label_metrics(NOTHING, {"weak": weak, "synthetic": none}) == {
        "decisions/weak/accept": 1.0,
        "decisions/weak/review": 0.0,
        "decisions/weak/reject": 1.0,
        "labels/weak/predicted_dice": 0.5,
    }
    records = dataset_records("x", {"gold": gold, "weak": weak})
    assert [(record.rows, record.counts) for record in records] == [(1, {"gold": 1}), (5, {"accept": 1, "reject": 1})]
