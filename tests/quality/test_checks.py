import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.config import Quality
from medweave.data.masks import encode_mask, read_mask
from medweave.data.probabilities import encode_probabilities
from medweave.data.table import ImageRow, ImageTable, MaskRef, write_table
from medweave.quality.calibration import Pair
from medweave.quality.checks import (
    Standard,
    _as_good,
    check_labels,
    count_reasons,
    gold_bounds,
    gold_standard,
    measure_labels,
)
from medweave.quality.features import FEATURES, small_mask, small_view, view_features
from medweave.quality.pairs import GoldPairs

SIZE = 64
PIXELS = 10_000
SETTINGS = Quality(accept=0.6, review=0.3, slack=0.5, min_component_share=0.1)


def disc(radius: float, x: float = 32) -> np.ndarray:
    ys, xs = np.mgrid[:SIZE, :SIZE]
    return ((ys - 32) ** 2 + (xs - x) ** 2 <= radius**2).astype(np.uint8)


@pytest.fixture
def row(tmp_path):
    def make(name: str, source: str, mask: np.ndarray | None, coarse: np.ndarray | None) -> ImageRow:
        image = tmp_path / f"{name}.png"
        cv2.imwrite(str(image), np.full((SIZE, SIZE, 3), 90, np.uint8))
        bare = ImageRow(name, name, str(image), hashlib.sha256(name.encode()).hexdigest(), SIZE, SIZE)
        if coarse is not None:
            bare = replace(bare, coarse=encode_probabilities(coarse[None].astype(float)))
        return bare if mask is None else bare.with_label(source, MaskRef(png=encode_mask(mask)), {"labeler": "test"})

    return make


@pytest.fixture
def gold(row, tmp_path):
    """Ten discs; the coarse model finds the first in half its size and gets better image by image."""
    rows = [row(f"g{k}", "gold", disc(16), disc(10 + 0.6 * k)) for k in range(10)]
    return write_table(tmp_path / "gold", rows, shard_rows=4)


@pytest.fixture
def gold_weak(gold, tmp_path):
    """The chain's label of each gold image is what the coarse model saw, so agreement is 1 and Dice is not."""
    rows = [
        gold_row.with_label("weak", MaskRef(png=encode_mask(disc(10 + 0.6 * k))), {}) for k, gold_row in enumerate(gold)
    ]
    return write_table(tmp_path / "gold_weak", rows)


@pytest.fixture
def made(row, tmp_path):
    speckled = disc(14)
    speckled[1, 1], speckled[32, 32] = 1, 0
    rows = [
        row("good", "weak", speckled, disc(14)),
        row("shifted", "weak", disc(14, 24), disc(14, 40)),
        row("empty", "weak", np.zeros((SIZE, SIZE), np.uint8), disc(14)),
        row("huge", "synthetic", disc(40), disc(40)),
        row("blind", "weak", disc(14), None),
        row("none", "none", None, disc(14)),
    ]
    return write_table(tmp_path / "made", rows, shard_rows=2)


@pytest.fixture
def nothing(gold, tmp_path):
    """A chain that labels no gold image and sees none."""
    rows = [replace(r, label_source="none", mask=MaskRef(), label_id=None, coarse=None) for r in gold]
    return write_table(tmp_path / "nothing", rows)


def standard(gold, gold_weak, *tables) -> Standard:
    return gold_standard(gold, gold_weak, tables, SETTINGS, 1, PIXELS)


def checked(made: ImageTable, against: Standard, work) -> dict[str, ImageRow]:
    table = check_labels(made, against, SETTINGS, 1, PIXELS, work)
    assert [r.image_id for r in table] == [r.image_id for r in made]
    return {r.image_id: r for r in table}


def test_each_label_gets_its_decision(made, gold, nothing, tmp_path):
    rows = checked(made, standard(gold, nothing, made), tmp_path / "work")
    assert {name: r.decision for name, r in rows.items()} == {
        "good": "accept",
        "shifted": "review",
        "empty": "reject",
        "huge": "review",
        "blind": "review",
        "none": "reject",
    }
    overlap = 2 * (disc(14, 24) & disc(14, 40)).sum() / (2 * disc(14).sum())
    assert rows["shifted"].predicted_dice == pytest.approx(overlap) and 0.3 < overlap < 0.6
    assert {name: r.weight for name, r in rows.items() if name != "good"} == dict.fromkeys(set(rows) - {"good"}, 0)
    assert "empty" in rows["empty"].made_by["reason"]
    assert "area_share" in rows["huge"].made_by["reason"]
    assert rows["blind"].predicted_dice is None
    assert (rows["none"].label_id, rows["none"].mask, rows["none"].weight) == (None, MaskRef(), 0)
    assert rows["good"].weight == rows["good"].predicted_dice == pytest.approx(1)
    assert (rows["good"].low, rows["good"].high) == (None, None)


def test_where_labels_are_worse_one_must_be_as_good_as_what_the_coarse_model_sees(made, gold, gold_weak, tmp_path):
    # The chain's labels are what the coarse model sees, from half the size of the truth on: both have the same mean
    # Dice, which is what every label is predicted to reach, as the agreement is always 1.
    against = standard(gold, gold_weak, made)
    mean = np.mean([2 * disc(10 + 0.6 * k).sum() / (disc(10 + 0.6 * k).sum() + disc(16).sum()) for k in range(10)])
    assert against.coarse_dice == pytest.approx(mean, abs=1e-3) and against.as_good
    assert (against.to_json()["coarse_dice"], against.to_json()["as_good"]) == (against.coarse_dice, True)
    higher = replace(against, coarse_dice=against.coarse_dice + 0.05)
    assert checked(made, higher, tmp_path / "as good")["good"].decision == "accept"
    better = replace(higher, as_good=False)
    worse = replace(against, coarse_dice=against.coarse_dice - 0.05, as_good=False)
    assert checked(made, better, tmp_path / "better")["good"].decision == "review"
    assert checked(made, worse, tmp_path / "worse")["good"].decision == "accept"
    alone = SETTINGS.model_copy(update={"beat_coarse": False})
    rows = {r.image_id: r for r in check_labels(made, better, alone, 1, PIXELS, tmp_path / "alone")}
    assert rows["good"].decision == "accept"


def test_gold_vouches_for_no_dice_of_a_label_out_of_bounds(made, gold, gold_weak, tmp_path):
    against = standard(gold, gold_weak, made)
    rows = checked(made, against, tmp_path / "work")
    # All have an agreement of 1, so that the same Dice is predicted; one disc is larger than gold ever shows.
    assert rows["huge"].predicted_dice == rows["good"].predicted_dice
    assert (rows["huge"].low, rows["huge"].high) == (0.0, 1.0)
    assert 0.4 < rows["good"].low < rows["good"].predicted_dice < rows["good"].high


@pytest.mark.parametrize(
    ("source", "labels", "expected"),
    [
        ("chain", [0.5, 0.7, 0.9], True),
        ("chain", [0.35, 0.75, 0.9], True),  # leads -.15, .05 and 0: mean -.033, standard error .060
        ("chain", [0.4, 0.65, 0.9], False),  # leads -.1, -.05 and 0: mean -.050, standard error .029
        ("simulated", [0.9, 0.9, 0.9], False),
        ("chain", [0.9], False),
    ],
)
def test_labels_are_as_good_within_one_standard_error(source, labels, expected):
    coarse = dict(zip("abc", (0.5, 0.7, 0.9), strict=True))
    pairs = tuple(Pair(image_id, image_id, {}, dice) for image_id, dice in zip("abc", labels, strict=False))
    assert _as_good(GoldPairs(source, pairs), coarse) is expected


def test_images_of_one_patient_speak_once_for_whether_labels_are_as_good():
    """Leads of -.1 thrice and of .08 once: -.055 +- .045 over images, -.055 +- .0675 over two patients."""

    def as_good(groups):
        dice = zip("abcd", groups, (0.4, 0.4, 0.4, 0.58), strict=True)
        pairs = tuple(Pair(image_id, group, {}, value) for image_id, group, value in dice)
        return _as_good(GoldPairs("chain", pairs), dict.fromkeys("abcd", 0.5))

    assert not as_good("abcd")
    assert as_good("aaab")
    assert not as_good("aaaa")


def test_without_gold_nothing_is_out_of_bounds(made, tmp_path):
    assert checked(made, Standard(), tmp_path / "work")["huge"].decision == "accept"


def test_the_label_is_the_cleaned_mask_and_says_so(made, gold, nothing, tmp_path):
    before = {r.image_id: r for r in made}["good"]
    after = checked(made, standard(gold, nothing, made), tmp_path / "work")["good"]
    mask = read_mask(after.mask, 1, PIXELS)
    assert (mask == disc(14)).all()
    how = {"labeler": "test", "cleanup": {"min_component_share": 0.1, "max_components": 2}}
    assert after.label_id == before.with_label("weak", after.mask, how).label_id != before.label_id
    assert after.made_by.items() >= how.items()
    view = small_view(np.full((SIZE, SIZE, 3), 90, np.uint8), disc(14)[None].astype(float))
    expected = view_features(view, small_mask(disc(14)))
    assert after.features == pytest.approx(expected)


def test_of_several_classes_each_keeps_one_component_more_than_in_gold(row, tmp_path):
    """Class 1 is one disc in gold, class 2 one dot or three; a label has three pieces of each class, and a speck."""
    dots = [(4, 8), (4, 32), (4, 56)]

    def drawn(first, second):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        for value, places in ((1, first), (2, second)):
            for y, x in places:
                mask[y - 3 : y + 4, x - 3 : x + 4] = value
        return mask

    gold = [row("g0", "gold", drawn([(32, 32)], dots), None), row("g1", "gold", drawn([(32, 32)], dots[:1]), None)]
    against = Standard(gold_bounds(write_table(tmp_path / "gold", gold), SETTINGS, 2, PIXELS))
    assert against.bounds.most_components == (2, 4) and against.bounds.limits["components"] == (1, 5)
    label = drawn([(24, 8), (24, 32)], dots)
    label[22:27, 54:59], label[24, 32], label[60, 60] = 1, 2, 2
    table = check_labels(
        write_table(tmp_path / "made", [row("a", "weak", label, None)]), against, SETTINGS, 2, PIXELS, tmp_path / "work"
    )
    (checked,) = table
    assert read_mask(checked.mask, 2, PIXELS).tolist() == drawn([(24, 8), (24, 32)], dots).tolist()
    assert checked.made_by["cleanup"] == {"min_component_share": 0.1, "max_components": [2, 4]}


def test_the_predicted_dice_comes_from_gold_that_the_chain_labelled(made, gold, gold_weak, tmp_path):
    truth = [2 * (disc(10 + 0.6 * k) & disc(16)).sum() / (disc(10 + 0.6 * k).sum() + disc(16).sum()) for k in range(10)]
    against = standard(gold, gold_weak, made)
    row = checked(made, against, tmp_path / "work")["good"]
    # agreement and contrast (the images are flat) never vary, and expected Dice hardly: the mean is the prediction
    assert row.predicted_dice == pytest.approx(np.mean(truth), abs=1e-6)
    others = [np.mean(np.delete(truth, k)) for k in range(10)]  # rank 10 of 10: the farthest ends
    assert row.low == pytest.approx(min(m - abs(t - m) for m, t in zip(others, truth, strict=True)), abs=1e-6)
    assert row.high == 1  # the highest of m + |t - m| is above


def test_what_the_standard_tells_is_json_and_of_held_out_gold(gold, gold_weak, made):
    told = standard(gold, gold_weak, made).to_json()
    assert json.loads(json.dumps(told)) == told
    assert (told["source"], told["labels"], told["groups"]) == ("chain", 10, 10)
    assert told["features"] == ["agreement", "expected_dice", "contrast"]
    (name, predicted, low, high, true), *rest = told["points"]
    assert name == "g0" and len(rest) == 9
    truth = [2 * (disc(10 + 0.6 * k) & disc(16)).sum() / (disc(10 + 0.6 * k).sum() + disc(16).sum()) for k in range(10)]
    assert (predicted, true) == pytest.approx((np.mean(truth[1:]), truth[0]), abs=1e-4)
    assert low <= predicted <= high
    assert 0 <= told["coverage"] <= 1 and told["rank_correlation"] is None  # all have an agreement of 1


def test_a_labeler_that_cannot_label_gold_is_judged_by_simulated_errors(gold, row, made, tmp_path):
    rows = [replace(r, label_source="none", mask=MaskRef(), label_id=None) for r in gold]
    against = standard(gold, write_table(tmp_path / "imported", rows), made)
    told = against.to_json()
    assert told["source"] == "simulated" and told["groups"] == 10 and told["labels"] > 150
    assert 100 <= len(told["points"]) <= 200 and told["rank_correlation"] > 0.2
    assert 0.85 <= told["coverage"] <= 1
    judged = checked(made, against, tmp_path / "work")
    assert judged["good"].predicted_dice > judged["shifted"].predicted_dice + 0.1
    assert judged["shifted"].low <= judged["shifted"].predicted_dice <= judged["shifted"].high


def test_labels_that_stand_beside_the_chains_are_judged_by_simulated_errors_and_need_to_beat_what_those_do(
    gold, gold_weak, made, tmp_path
):
    chain = standard(gold, gold_weak, made)
    beside = gold_standard(gold, gold_weak, [made], SETTINGS, 1, PIXELS, chain)
    assert (chain.learnt.source, len(chain.learnt.pairs)) == ("chain", 10)
    assert beside.learnt.source == "simulated" and len(beside.learnt.pairs) > 100
    assert beside.coarse_dice == chain.coarse_dice
    assert (chain.as_good, beside.as_good) == (True, True)
    worse = replace(chain, as_good=False)
    held = gold_standard(gold, gold_weak, [made], SETTINGS, 1, PIXELS, worse)
    assert held == replace(beside, as_good=False, judged=held.judged, calibration=held.calibration)
    strict = checked(made, replace(held, coarse_dice=0.99), tmp_path / "held")
    free = checked(made, replace(beside, coarse_dice=0.99), tmp_path / "free")
    assert (strict["good"].decision, free["good"].decision) == ("review", "accept")


@pytest.mark.parametrize("groups", [0, 1])
def test_with_too_little_gold_the_agreement_stands_and_the_standard_says_so(gold, gold_weak, made, tmp_path, groups):
    few = write_table(tmp_path / "few", list(gold)[:groups])
    few_weak = write_table(tmp_path / "few_weak", list(gold_weak)[:groups])
    against = standard(few, few_weak, made)
    assert against.calibration.predict({"agreement": 0.4}) == (0.4, None, None)
    told = against.to_json()
    assert (told["source"], told["labels"], told["coverage"], told["rank_correlation"]) == (None, 0, None, None)


def test_few_groups_of_gold_promise_nothing(gold, gold_weak, made, tmp_path):
    few = write_table(tmp_path / "few", list(gold)[:4])
    against = standard(few, write_table(tmp_path / "few_weak", list(gold_weak)[:4]), made)
    assert against.learnt.source == "simulated"
    judged = checked(made, against, tmp_path / "work")["good"]
    assert (judged.low, judged.high) == (0, 1)


def test_reasons_are_counted_by_decision(made, gold, nothing, tmp_path):
    table = check_labels(made, standard(gold, nothing, made), SETTINGS, 1, PIXELS, tmp_path / "work")
    counted = count_reasons(table)
    assert "none" not in counted
    unlabeled = [replace(r, made_by={"missing": "no prompt"}) if r.image_id == "none" else r for r in table]
    assert count_reasons(write_table(tmp_path / "missing", unlabeled))["none"] == {"no prompt": 1}
    assert counted["reject"] == {"the mask is empty": 1}
    assert counted["review"].pop("predicted Dice is below 0.6") == 1
    assert counted["review"].pop("the Dice could not be predicted") == 1
    ((reason, count),) = counted["review"].items()
    assert reason.startswith("area_share is outside ") and count == 1


def test_a_killed_run_goes_on_after_its_last_shard(made, gold, nothing, tmp_path):
    against = standard(gold, nothing, made)
    whole = check_labels(made, against, SETTINGS, 1, PIXELS, tmp_path / "whole")
    work = tmp_path / "work"
    bounds_kept = made.shard(1)[0].image_uri
    broken = [replace(r, image_uri="missing.png") if r.image_uri == bounds_kept else r for r in made]
    with pytest.raises(Exception, match=r"missing\.png"):
        check_labels(write_table(tmp_path / "broken", broken, 2), against, SETTINGS, 1, PIXELS, work)
    first = work / "shard-000000.parquet"
    written = first.stat().st_mtime_ns
    resumed = check_labels(made, against, SETTINGS, 1, PIXELS, work)
    assert first.stat().st_mtime_ns == written
    assert resumed.digest == whole.digest


def test_measured_gold_has_features_and_is_otherwise_the_same(gold, made, tmp_path):
    measured = measure_labels(gold, 1, PIXELS, tmp_path / "measured")
    assert [set(r.features) for r in measured] == [{*FEATURES, "expected_dice"}] * 10
    assert [replace(r, features={}) for r in measured] == list(gold)
    assert [bool(r.features) for r in measure_labels(made, 1, PIXELS, tmp_path / "all")] == [True] * 5 + [False]
    assert json.dumps(next(iter(measured)).features)
