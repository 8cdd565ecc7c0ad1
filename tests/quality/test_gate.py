import pytest

from medweave.config import Quality
from medweave.quality.gate import LabelBounds, bounds_from_features, decide, kind_of

SETTINGS = Quality(accept=0.6, review=0.3, slack=0.5)


def features(area_share=0.2, components=1.0, compactness=0.6):
    return {"area_share": area_share, "components": components, "compactness": compactness, "center_x": 0.1}


GOLD = [features(0.1, 1, 0.4), features(0.3, 3, 0.8), features(0.2, 2, 0.6)]
BOUNDS = bounds_from_features(GOLD, slack=0.5)


def test_bounds_widen_what_gold_shows():
    assert BOUNDS.limits["area_share"] == pytest.approx((0.1 / 1.5, 0.45))
    assert BOUNDS.limits["compactness"] == pytest.approx((0.4 / 1.5, 1.2))
    assert BOUNDS.limits["components"] == (1, 4)


def test_fewer_components_than_gold_by_one_are_allowed():
    assert bounds_from_features([features(components=3)], slack=0).limits["components"] == (2, 4)


def test_empty_gold_labels_do_not_widen_the_bounds():
    assert bounds_from_features([*GOLD, features(0, 0, 0)], slack=0.5) == BOUNDS
    assert bounds_from_features([features(0, 0, 0)], slack=0.5) == LabelBounds()


@pytest.mark.parametrize(
    ("dice", "decision", "weight"),
    [
        (0.29, "reject", 0),
        (0.3, "review", 0),
        (0.59, "review", 0),
        (0.6, "accept", 0.6),
        (0.9, "accept", 0.9),
        (None, "review", 0),
    ],
)
def test_the_predicted_dice_decides(dice, decision, weight):
    assert decide(dice, None, features(), BOUNDS, SETTINGS)[:2] == (decision, weight)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (features(area_share=0.5), "area_share 0.5 is outside 0.06667 to 0.45"),
        (features(area_share=0.05), "area_share"),
        (features(components=5), "components 5 is outside 1 to 4"),
        (features(compactness=0.2), "compactness"),
    ],
)
def test_what_gold_never_shows_is_trusted_one_step_less(label, reason):
    decision, weight, why = decide(0.95, 0.9, label, BOUNDS, SETTINGS)  # accepted by its Dice
    assert (decision, weight) == ("review", 0)
    assert reason in why
    decision, weight, why = decide(0.59, 0.5, label, BOUNDS, SETTINGS)  # to review by its Dice
    assert (decision, weight) == ("reject", 0)
    assert reason in why
    assert decide(None, None, label, BOUNDS, SETTINGS)[0] == "reject"
    assert decide(0.29, 0.2, label, BOUNDS, SETTINGS)[2] == "predicted Dice 0.29 is below 0.3"


def test_an_empty_mask_is_rejected_whatever_the_dice():
    assert decide(0.95, 0.9, features(0, 0, 0), BOUNDS, SETTINGS) == ("reject", 0, "the mask is empty")


def test_without_bounds_only_an_empty_mask_is_rejected():
    assert decide(0.9, None, features(0.99, 40, 0.01), LabelBounds(), SETTINGS)[0] == "accept"
    assert decide(0.9, None, features(0, 0, 0), LabelBounds(), SETTINGS)[0] == "reject"


def test_the_reason_names_the_dice_and_its_lower_end():
    assert decide(0.456, 0.21, features(), BOUNDS, SETTINGS)[2] == "predicted Dice 0.46 (at least 0.21) is below 0.6"


@pytest.mark.parametrize(("low", "decision"), [(0.39, "review"), (0.4, "accept"), (None, "review")])
def test_the_lower_end_decides_too(low, decision):
    settings = Quality(accept=0.6, accept_low=0.4, review=0.3)
    assert decide(0.8, low, features(), BOUNDS, settings)[:2] == (decision, 0.8 if decision == "accept" else 0)


def test_without_a_lower_bound_asked_for_none_is_needed():
    assert decide(0.8, None, features(), BOUNDS, Quality(accept=0.6))[0] == "accept"
    assert decide(0.8, 0.0, features(), BOUNDS, Quality(accept=0.6))[0] == "accept"


@pytest.mark.parametrize(
    ("dice", "low", "label", "kind"),
    [
        (0.456, 0.21, features(), "predicted Dice is below 0.6"),
        (0.456, None, features(), "predicted Dice is below 0.6"),
        (0.1, 0.0, features(), "predicted Dice is below 0.3"),
        (0.7, 0.1, features(), "predicted Dice has a lower end below 0.4"),
        (0.9, 0.8, features(area_share=1e-5), "area_share is outside 0.06667 to 0.45 (from gold)"),
        (0.9, 0.8, features(0, 0, 0), "the mask is empty"),
        (None, None, features(), "the Dice could not be predicted"),
    ],
)
def test_reasons_of_a_kind_are_one(dice, low, label, kind):
    settings = Quality(accept=0.6, accept_low=0.4, review=0.3)
    assert kind_of(decide(dice, low, label, BOUNDS, settings)[2]) == kind


def test_a_label_that_the_coarse_model_beats_waits_for_an_expert():
    decision, weight, why = decide(0.9, 0.85, features(), BOUNDS, SETTINGS, coarse_dice=0.95)
    assert (decision, weight) == ("review", 0.0)
    assert why == (
        "predicted Dice 0.90 (at least 0.85) is below 0.95, which the coarse model reaches on gold by itself"
    )
    assert decide(0.9, 0.85, features(), BOUNDS, SETTINGS, coarse_dice=0.9)[:2] == ("accept", 0.9)
