import math

import pytest

from medweave.config import Promotion
from medweave.tracking import Evidence, Part, decide_promotion

RULE = Promotion(margin=0.02, min_test=20)
BETTER = (0.03, 0.01, 0.05)
PASSED = {"validation": "", "calibration": "", "drift": ""}


@pytest.mark.parametrize(
    ("gold_only", "champion", "images", "promoted"),
    [
        (BETTER, None, 20, True),
        (BETTER, None, 19, False),
        ((0.03, 0.0, 0.06), None, 100, False),
        ((0.03, 0.0001, 0.06), None, 100, True),
        ((-0.03, -0.05, -0.01), None, 100, False),
        (BETTER, (0.0, -0.019, 0.019), 100, True),
        (BETTER, (0.0, -0.02, 0.02), 100, False),
        (BETTER, (0.05, -0.03, 0.13), 100, False),
        ((0.0, -0.01, 0.01), (0.05, 0.01, 0.09), 100, False),
        ((math.nan,) * 3, None, 100, False),
        (BETTER, (math.nan,) * 3, 100, False),
    ],
)
def test_rule_by_hand(gold_only, champion, images, promoted):
    assert decide_promotion(Evidence(images, gold_only, champion, checks=PASSED), RULE).promoted is promoted


def test_reason_is_a_sentence_with_the_numbers():
    promoted = decide_promotion(Evidence(120, (0.031, 0.012, 0.05), (0.004, -0.008, 0.016), checks=PASSED), RULE)
    assert promoted.reason == (
        "Promoted: it beat gold-only training (difference in Dice +0.031, 95 % interval +0.012 to +0.050) and is not "
        "worse than the champion by more than 0.02 (difference in Dice +0.004, 95 % interval -0.008 to +0.016) on 120 "
        "test images."
    )
    assert promoted.numbers == {
        "test_images": 120,
        "min_test": 20,
        "delta_gold_only.mean": 0.031,
        "delta_gold_only.low": 0.012,
        "delta_gold_only.high": 0.05,
        "delta_champion.mean": 0.004,
        "delta_champion.low": -0.008,
        "delta_champion.high": 0.016,
        "margin": 0.02,
    }


def test_every_failed_condition_is_in_the_reason():
    decision = decide_promotion(Evidence(12, (0.01, -0.004, 0.024), (-0.05, -0.08, -0.02), checks=PASSED), RULE)
    assert decision.reason == (
        "Not promoted: it was tested on 12 images and at least 20 are needed; it did not surely beat gold-only "
        "training (difference in Dice +0.010, 95 % interval -0.004 to +0.024); it may be worse than the champion by "
        "more than 0.02 (difference in Dice -0.050, 95 % interval -0.080 to -0.020)."
    )


def with_part(mean, images=20):
    part = Part("lesion_size small", images, (mean, mean - 0.1, mean + 0.1), 0.05)
    return Evidence(100, BETTER, (0.01, 0.0, 0.02), (part,), checks=PASSED)


def test_a_part_that_is_harmed_stops_a_challenger_that_is_better_over_all():
    assert decide_promotion(with_part(-0.05), RULE).promoted
    harmed = decide_promotion(with_part(-0.051), RULE)
    assert harmed.reason == (
        "Not promoted: on the 20 images of lesion_size small it is worse than the champion by more than 0.05 "
        "(difference in Dice -0.051, 95 % interval -0.151 to +0.049)."
    )
    assert harmed.numbers["subgroup.lesion_size small.mean"] == -0.051
    assert harmed.numbers["subgroup.lesion_size small.images"] == 20
    assert harmed.numbers["subgroup.lesion_size small.margin"] == 0.05
    assert not decide_promotion(with_part(math.nan), RULE).promoted


def test_a_part_of_too_few_images_is_told_but_does_not_count():
    decision = decide_promotion(with_part(-0.3, images=9), RULE)
    assert decision.promoted
    assert decision.numbers["subgroup.lesion_size small.mean"] == -0.3


@pytest.mark.parametrize(("weak", "synthetic", "promoted"), [(0.8, 0.1, True), (0.81, 0.1, False), (0.5, 0.11, False)])
def test_shares_of_weak_and_synthetic_labels_have_a_limit(weak, synthetic, promoted):
    rule = Promotion(max_weak=0.8, max_synthetic=0.1)
    evidence = Evidence(100, BETTER, shares={"weak": weak, "synthetic": synthetic}, checks=PASSED)
    assert decide_promotion(evidence, rule).promoted is promoted


def test_only_the_checks_that_are_asked_for_must_have_passed():
    evidence = Evidence(100, BETTER, checks={**PASSED, "drift": "labels are smaller"})
    assert decide_promotion(evidence, RULE).promoted
    refused = decide_promotion(evidence, Promotion(checks=("drift",)))
    assert refused.reason == "Not promoted: the drift check did not pass: labels are smaller."
    assert (
        "the drift check did not pass: it was not made"
        in decide_promotion(Evidence(100, BETTER), Promotion(checks=("drift",))).reason
    )
