"""What a run says of its checks, which a promotion may ask for."""

from steps.run_facts import checks

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
