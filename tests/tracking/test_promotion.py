import math
from datetime import datetime

import pytest

from medweave.config import Promotion
from medweave.tracking import PromotionDecision, champion, decide_promotion, get_version, promote, register_model

RULE = Promotion(margin=0.02, min_test=20)
BETTER = (0.03, 0.01, 0.05)
YES, NO = PromotionDecision(True, "yes", {"margin": 0.02}), PromotionDecision(False, "no")


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
    assert decide_promotion(gold_only, champion, images, RULE).promoted is promoted


def test_reason_is_a_sentence_with_the_numbers():
    promoted = decide_promotion((0.031, 0.012, 0.05), (0.004, -0.008, 0.016), 120, RULE)
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
    decision = decide_promotion((0.01, -0.004, 0.024), (-0.05, -0.08, -0.02), 12, RULE)
    assert decision.reason == (
        "Not promoted: it was tested on 12 images and at least 20 are needed; it did not surely beat gold-only "
        "training (difference in Dice +0.010, 95 % interval -0.004 to +0.024); it may be worse than the champion by "
        "more than 0.02 (difference in Dice -0.050, 95 % interval -0.080 to -0.020)."
    )


@pytest.fixture
def name(client, run_id, segmenter):
    """A registered model of three versions."""
    for digest in ("m1", "m2", "m3"):
        register_model(client, run_id, "medweave-demo", segmenter, model_digest=digest, evaluation_digest="e")
    return "medweave-demo"


def aliases(client, name):
    return {alias: int(version) for alias, version in client.get_registered_model(name).aliases.items()}


def test_promotion_moves_the_aliases(client, name):
    promote(client, name, 1, NO)
    assert aliases(client, name) == {"challenger": 1}
    promote(client, name, 1, YES)
    assert aliases(client, name) == {"champion": 1}
    promote(client, name, 2, NO)
    assert aliases(client, name) == {"champion": 1, "challenger": 2}
    promote(client, name, 3, YES)
    assert aliases(client, name) == {"champion": 3, "previous": 1, "challenger": 2}
    assert champion(client, name).version == 3


def test_decision_is_recorded_in_tags(client, name):
    promote(client, name, 1, YES)
    promote(client, name, 2, NO)
    tags = get_version(client, name, 1).tags
    assert tags["promotion.decision"] == "promoted"
    assert tags["promotion.reason"] == "yes"
    assert tags["promotion.margin"] == "0.02"
    assert tags["promotion.champion_before"] == "none"
    assert datetime.fromisoformat(tags["promotion.time"]).tzinfo is not None
    tags = get_version(client, name, 2).tags
    assert (tags["promotion.decision"], tags["promotion.champion_before"]) == ("not promoted", "1")


@pytest.mark.parametrize("decision", [YES, NO])
def test_champion_stays_champion_and_keeps_its_record(client, name, decision):
    promote(client, name, 1, YES)
    before = get_version(client, name, 1)
    outcome = promote(client, name, 1, decision)
    assert (outcome.promoted, outcome.reason) == (True, "Version 1 is the champion already and stays it.")
    assert aliases(client, name) == {"champion": 1}
    assert get_version(client, name, 1) == before
