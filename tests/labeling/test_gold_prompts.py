"""Objects of gold masks and boxes with the coarse model's errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.labeling.gold_prompts import BoxErrors, box_errors, gold_objects, gold_prompts, jittered
from medweave.labeling.prompts import Prompt


def mask_of(*boxes, shape=(60, 100)):
    mask = np.zeros(shape, np.uint8)
    for (x0, y0, x1, y1), value in boxes:
        mask[y0:y1, x0:x1] = value
    return mask


def test_objects_are_the_components_of_each_class_without_specks():
    mask = mask_of(((0, 0, 10, 10), 1), ((20, 5, 40, 25), 1), ((50, 50, 51, 53), 1), ((60, 10, 90, 30), 2))
    found = gold_objects(mask, classes=2)
    assert [(gold.class_index, gold.component, gold.box) for gold in found] == [
        (1, 0, (20, 5, 40, 25)),
        (1, 1, (0, 0, 10, 10)),
        (2, 0, (60, 10, 90, 30)),
    ]  # the third component of class 1 has 3 pixels, under 1 % of 400
    assert found[0].region.sum() == 400
    assert found[0].region[5:25, 20:40].all()


def test_a_mask_without_objects_has_none():
    assert gold_objects(np.zeros((5, 5), np.uint8), classes=3) == []


def boxed(*box):
    return Prompt(1, box)


def test_errors_are_median_and_deviation_of_the_sides():
    (gold,) = gold_objects(mask_of(((20, 20, 60, 40), 1)), classes=1)  # 40 wide, 20 high
    prompts = [boxed(16, 18, 64, 42), boxed(12, 18, 64, 42), boxed(16, 16, 64, 46)]
    # outwards: .1 .1 .1 .1 | .2 .1 .1 .1 | .1 .2 .1 .3: the median is .1; deviations are .1 .1 .2 and nine zeros
    assert box_errors([([gold], prompts)]) == BoxErrors(0.1, 0.05)
    wild = [boxed(16, 18, 64, 42), boxed(12, 14, 68, 46), boxed(20, 20, 60, 40)]
    # outwards: .1 x 4, .2 .3 .2 .3, 0 x 4: the median is .1, deviations are 0 x 4, .1 x 6, .2 x 2, so .1 x 1.4826
    assert box_errors([([gold], wild)]) == BoxErrors(0.1, pytest.approx(0.1483, abs=1e-4))


def test_boxes_of_other_objects_and_classes_do_not_count():
    (gold,) = gold_objects(mask_of(((20, 20, 60, 40), 1)), classes=1)
    close = [boxed(20, 20, 60, 40)] * 3
    far = [boxed(70, 0, 100, 20)] * 9
    of_another_class = [Prompt(2, (0.0, 0.0, 100.0, 60.0))] * 9
    assert box_errors([([gold], [*close, *far, *of_another_class, Prompt(1, points=((30, 30, True),))])]) == BoxErrors(
        0.0, 0.05
    )
    assert box_errors([([gold], far)]) == BoxErrors()


def test_errors_are_bounded():
    (gold,) = gold_objects(mask_of(((20, 20, 60, 40), 1)), classes=1)
    assert box_errors([([gold], [boxed(4, 12, 76, 48)] * 4)]) == BoxErrors(0.25, 0.05)


def test_jittered_boxes_have_the_errors_they_are_asked_for():
    generator = np.random.default_rng(3)
    box, shape = (400, 300, 600, 400), (1000, 1000)
    boxes = np.array([jittered(box, BoxErrors(0.1, 0.1), shape, generator) for _ in range(4000)])
    outwards = (boxes - np.array(box)) / np.array([-200, -100, 200, 100])
    assert np.allclose(outwards.mean(axis=0), 0.1, atol=0.01)
    # the deviation of a standard normal clipped at +-2 is 0.959
    assert np.allclose(outwards.std(axis=0), 0.0959, atol=0.005)
    assert abs(np.corrcoef(outwards.T) - np.eye(4)).max() < 0.06


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 90), st.integers(0, 50), st.integers(1, 100), st.integers(1, 60)),
    st.floats(-0.25, 0.25),
    st.floats(0.05, 0.25),
    st.integers(0, 99),
)
def test_a_jittered_box_keeps_an_area_inside_the_image(corner_and_size, bias, spread, seed):
    x, y, width, height = corner_and_size
    box = x, y, min(100, x + width), min(60, y + height)
    x0, y0, x1, y1 = jittered(box, BoxErrors(bias, spread), (60, 100), np.random.default_rng(seed))
    assert 0 <= x0 < x1 <= 100
    assert 0 <= y0 < y1 <= 60


def test_prompts_of_each_kind():
    (gold,) = gold_objects(mask_of(((20, 20, 60, 40), 2)), classes=2)
    for kind in ("box", "points", "box_and_points"):
        prompts = gold_prompts(gold, BoxErrors(), kind, 3, np.random.default_rng(0))
        assert [(prompt.class_index, prompt.component) for prompt in prompts] == [(2, 0)] * 3
        assert all((prompt.box is None) == (kind == "points") for prompt in prompts)
        for prompt in prompts:
            assert [sign for *_, sign in prompt.points] == ([] if kind == "box" else [True, False, False, False, False])
            assert all(gold.region[int(y), int(x)] == sign for x, y, sign in prompt.points)


def test_prompts_follow_from_the_seed():
    (gold,) = gold_objects(mask_of(((20, 20, 60, 40), 1)), classes=1)
    first, again, other = (
        gold_prompts(gold, BoxErrors(), "box_and_points", 2, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
