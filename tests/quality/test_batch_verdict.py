import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.config import Monitoring
from medweave.quality.batch_verdict import judge_batch, usual_effects

SETTINGS = Monitoring()
NAMES = ["image.brightness", "image.noise", "label.area_share", "label.contrast"]


def frame(rows, seed, **shift):
    rng = np.random.default_rng(seed)
    values = pd.DataFrame(rng.normal(size=(rows, 4)), columns=NAMES, index=[f"i{k}" for k in range(rows)])
    return values.assign(**{f"label.{name}": values[f"label.{name}"] + by for name, by in shift.items()})


def judge(batch, past=None, **references):
    return judge_batch(references or {"training": frame(200, 1)}, batch, past or {}, SETTINGS, seed=0)


def test_a_batch_of_the_same_source_is_ok_and_nothing_decides():
    verdict = judge(frame(100, 4))
    assert (verdict.level, verdict.images, verdict.deciding, verdict.notes) == ("ok", 100, (), ())
    assert [one.column for one in sorted(verdict.columns, key=lambda one: one.column)] == NAMES


def test_the_moved_column_decides_and_shows_its_images():
    batch = frame(100, 4, area_share=1.0)
    verdict = judge(batch)
    assert verdict.level == "drift"
    (moved,) = verdict.deciding
    assert (moved.column, moved.against, moved.way) == ("label.area_share", "training", "higher")
    assert moved.median == np.median(batch["label.area_share"])
    assert list(moved.extreme) == list(batch["label.area_share"].nlargest(4).index)
    assert moved.typical[0] == (batch["label.area_share"] - moved.median).abs().idxmin()


def test_a_sure_but_small_difference_is_watched():
    verdict = judge(frame(1000, 2, area_share=0.25), training=frame(1000, 1))
    (moved,) = verdict.deciding
    assert verdict.level == "watch" and moved.p <= 0.05 and 0.1 < moved.effect < SETTINGS.effect


def test_p_is_adjusted_for_the_number_of_references():
    one = judge(frame(100, 4, area_share=0.5), training=frame(200, 1))
    two = judge(frame(100, 4, area_share=0.5), training=frame(200, 1), earlier=frame(200, 3))
    p = {(c.against, c.column): c.p for c in two.columns}
    for column in one.columns:
        assert p["training", column.column] == pytest.approx(min(1.0, 2 * column.p))


def test_what_earlier_batches_showed_too_is_no_drift():
    batch = frame(100, 4, area_share=1.0)
    effect = judge(batch).deciding[0].effect
    past = {("training", "label.area_share"): [effect + by for by in (-0.04, -0.02, 0.0, 0.02, 0.04)]}
    assert judge(batch, past).level == "ok"
    lower = {("training", "label.area_share"): [effect - 0.3 + by for by in (-0.04, -0.02, 0.0, 0.02, 0.04)]}
    assert judge(batch, lower).level == "drift"


def test_the_usual_range_is_students_prediction_interval():
    """Mean 0.1, sd 0.0158, t(0.975, 4) = 2.776: 0.1 ± 2.776 x 0.0158 x sqrt(1.2)."""
    assert usual_effects([0.08, 0.09, 0.10, 0.11, 0.12]) == pytest.approx((0.0519, 0.1481), abs=1e-4)
    assert usual_effects([0.1] * 4) is None


@pytest.mark.parametrize(("rows", "told"), [(0, "only 0 images"), (1, "only 1 image;"), (19, "only 19 images")])
def test_too_few_images_are_watched_not_judged(rows, told):
    verdict = judge(frame(rows, 2, area_share=9.0))
    assert (verdict.level, verdict.columns) == ("watch", ())
    assert verdict.notes[0].startswith(told)


def test_a_column_that_vanished_is_told_and_one_that_is_constant_does_not_matter():
    reference = frame(200, 1).assign(**{"image.saturation": 0.0})
    verdict = judge(frame(100, 4).assign(**{"label.contrast": np.nan, "image.saturation": 0.0}), training=reference)
    assert verdict.level == "watch"
    assert verdict.notes == ("label.contrast has vanished: training has it, the batch does not",)


def test_without_a_reference_of_some_size_the_batch_is_watched():
    verdict = judge(frame(100, 4), training=frame(3, 1))
    assert (verdict.level, verdict.columns) == ("watch", ())
    assert verdict.notes == ("training: only 3 images; 20 are needed to compare",)


@given(st.integers(0, 10**6), st.permutations(NAMES))
@settings(max_examples=8)
def test_the_order_of_rows_and_columns_does_not_change_what_is_measured(seed, order):
    batch, reference = frame(40, seed), frame(60, seed + 1)
    shuffled = batch.sample(frac=1, random_state=seed)[order]
    first, second = judge(batch, training=reference), judge(shuffled, training=reference[order])
    assert {c.column: (c.effect, c.median) for c in first.columns} == {
        c.column: (c.effect, c.median) for c in second.columns
    }
