import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.config import Prompts
from medweave.labeling.prompts import (
    Bounds,
    ClassBounds,
    Prompt,
    bounds_from_masks,
    prompts_from_probabilities,
)

ANY = Bounds((ClassBounds(0.0, 1.0, 0.0, 10),))
TIGHT = Prompts(margin=0.0, jitters=0)


def rectangle(shape, *boxes, value=0.9):
    probability = np.zeros(shape, np.float32)
    for x0, y0, x1, y1 in boxes:
        probability[y0:y1, x0:x1] = value
    return probability


def prompts(probabilities, size, settings, bounds=ANY, image_id="a"):
    return prompts_from_probabilities(probabilities, size, settings, bounds, image_id)


def boxes(probability, bounds=ANY, settings=TIGHT):
    found = prompts(probability[None], probability.shape, settings, bounds)
    return [prompt.box for prompt in found]


def test_a_box_is_half_open_and_x_comes_first():
    assert boxes(rectangle((20, 30), (4, 2, 9, 12))) == [(4, 2, 9, 12)]


def test_the_margin_is_relative_to_each_side_and_clipped_to_the_image():
    assert boxes(rectangle((40, 60), (20, 10, 40, 20)), settings=Prompts(margin=0.1, jitters=0)) == [(18, 9, 42, 21)]
    assert boxes(rectangle((40, 60), (0, 30, 20, 40)), settings=Prompts(margin=0.5, jitters=0)) == [(0, 25, 30, 40)]


def test_boxes_are_in_the_pixels_of_an_image_of_another_size_and_aspect():
    probability = np.zeros((1, 32, 32), np.float32)
    probability[0, 8:16, 16:24] = 1.0
    (prompt,) = prompts(probability, (64, 320), TIGHT)
    assert prompt.box == pytest.approx((160, 16, 240, 32), abs=5)
    (prompt,) = prompts(probability, (2048, 1024), TIGHT)
    assert prompt.box == pytest.approx((512, 512, 768, 1024), abs=32)


def test_the_threshold_is_exclusive_and_nothing_above_it_means_no_prompt():
    probability = rectangle((10, 10), (2, 2, 5, 5), value=0.5)
    assert boxes(probability, settings=Prompts(margin=0.0, threshold=0.5, jitters=0)) == []
    assert boxes(probability, settings=Prompts(margin=0.0, threshold=0.4, jitters=0)) == [(2, 2, 5, 5)]


def test_components_outside_the_bounds_are_dropped():
    probability = rectangle((20, 20), (0, 0, 10, 10), (12, 0, 14, 5), (0, 12, 4, 13))  # areas 100, 10, 4
    large, middle, small = (0, 0, 10, 10), (12, 0, 14, 5), (0, 12, 4, 13)
    assert boxes(probability) == [large, middle, small]
    assert boxes(probability, Bounds((ClassBounds(10 / 400, 1.0, 0.0, 10),))) == [large, middle]
    assert boxes(probability, Bounds((ClassBounds(11 / 400, 1.0, 0.0, 10),))) == [large]
    assert boxes(probability, Bounds((ClassBounds(0.0, 99 / 400, 0.0, 10),))) == [middle, small]
    assert boxes(probability, Bounds((ClassBounds(0.0, 1.0, 0.05, 10),))) == [large, middle]
    assert boxes(probability, Bounds((ClassBounds(0.0, 1.0, 0.0, 2),))) == [large, middle]


def test_the_component_with_most_probability_comes_first_not_the_largest():
    probability = rectangle((10, 20), (0, 0, 5, 4), value=0.6) + rectangle((10, 20), (10, 0, 14, 4), value=1.0)
    assert boxes(probability, Bounds((ClassBounds(0.0, 1.0, 0.0, 1),))) == [(10, 0, 14, 4)]  # 16.0 against 12.0


def test_diagonal_neighbours_are_one_component():
    assert boxes(np.eye(8, dtype=np.float32)) == [(0, 0, 8, 8)]


def test_a_pixel_prompts_only_its_likeliest_class():
    probabilities = np.stack(
        [rectangle((10, 20), (0, 0, 10, 10), value=0.6), rectangle((10, 20), (5, 0, 20, 10), value=0.8)]
    )
    bounds = Bounds(ANY.classes * 2)
    found = prompts(probabilities, (10, 20), Prompts(margin=0.0, threshold=0.3, jitters=0), bounds)
    assert [(prompt.class_index, prompt.box) for prompt in found] == [(1, (0, 0, 5, 10)), (2, (5, 0, 20, 10))]


def test_kinds_say_what_a_prompt_has():
    probability = rectangle((20, 20), (5, 5, 12, 12))[None]
    kinds = {
        kind: prompts(probability, (20, 20), Prompts(kind=kind, jitters=0))[0]
        for kind in ("box", "points", "box_and_points")
    }
    assert kinds["box"].points == () and kinds["points"].box is None
    assert kinds["box_and_points"] == Prompt(1, kinds["box"].box, kinds["points"].points)


def test_the_foreground_point_is_the_most_interior_spot():
    # a thick block with a long thin tail: the centroid would lie elsewhere
    probability = rectangle((40, 80), (2, 11, 13, 22), (13, 16, 75, 17))
    (prompt,) = prompts(probability[None], (40, 80), Prompts(kind="points", jitters=0))
    assert prompt.points[0] == (7, 16, True)


def test_probability_draws_the_foreground_point():
    probability = rectangle((30, 60), (5, 5, 55, 25), value=0.6)
    probability[5:25, 35:55] = 1.0
    (prompt,) = prompts(probability[None], (30, 60), Prompts(kind="points", jitters=0))
    assert prompt.points[0][0] >= 35


def test_background_points_lie_outside_beside_each_side_where_it_is_least_probable():
    probability = rectangle((40, 60), (20, 10, 40, 30))
    probability[10:30, 15:20] = 0.4
    probability[12, 17] = 0.0  # on the left, only this pixel is surely background
    (prompt,) = prompts(probability[None], (40, 60), Prompts(kind="points", jitters=0))
    left, right, above, below = [(x, y) for x, y, is_foreground in prompt.points if not is_foreground]
    assert left == (17, 12)
    assert 40 <= right[0] < 45 and 18 <= right[1] <= 21  # the middle of the strip, as all of it is 0
    assert 28 <= above[0] <= 31 and 5 <= above[1] < 10
    assert 28 <= below[0] <= 31 and 30 <= below[1] < 35


def test_sides_on_the_image_border_and_sides_that_look_like_the_object_get_no_point():
    probability = rectangle((30, 30), (0, 0, 10, 30), value=0.9)
    probability[:, 10:] = 0.5
    found = prompts(probability[None], (30, 30), Prompts(kind="points", threshold=0.5, jitters=0))
    assert [sign for *_, sign in found[0].points] == [True]
    assert found[0].points[0][0] in (4, 5)  # the image ends there, and the object with it


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 90), st.integers(5, 90), st.sampled_from(["box", "box_and_points"]))
def test_prompts_lie_inside_the_image_and_their_points_tell_object_from_background(seed, height, width, kind):
    noise = np.random.default_rng(seed).random((2, 12, 10), np.float32)
    bounds = Bounds(ANY.classes * 2)
    for prompt in prompts(noise, (height, width), Prompts(kind=kind, threshold=0.6), bounds, str(seed)):
        x0, y0, x1, y1 = prompt.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        for x, y, is_foreground in prompt.points:
            assert -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
            assert not is_foreground or (x0 <= x + 0.5 <= x1 and y0 <= y + 0.5 <= y1)
        assert Prompt.from_json(json.loads(json.dumps(prompt.to_json()))) == prompt


def test_alternatives_of_a_component_share_its_number():
    probability = rectangle((60, 60), (4, 4, 14, 12), (30, 30, 56, 50))
    found = prompts(np.stack([probability, probability * 0.9]), (60, 60), Prompts(jitters=3), Bounds(ANY.classes * 2))
    assert [(prompt.class_index, prompt.component) for prompt in found] == [(1, 0)] * 4 + [(1, 1)] * 4
    assert len({prompt.box for prompt in found}) == 8


def test_sides_of_further_boxes_move_outwards_by_even_shares_of_the_box():
    probability = rectangle((100, 200), (50, 40, 130, 60))  # 80 x 20
    found = prompts(probability[None], (100, 200), Prompts(margin=0.08, jitters=32, jitter=0.25))
    assert found[0].box == (43.6, 38.4, 136.4, 61.6)
    shares = (np.array([prompt.box for prompt in found[1:]]) - (50, 40, 130, 60)) / (-80, -20, 80, 20)
    assert shares.min() >= -1e-3 and shares.max() <= 0.25 + 1e-3
    assert np.abs(shares.mean(axis=0) - 0.125).max() < 4 * 0.25 / np.sqrt(12 * 32)
    assert np.abs(np.corrcoef(shares.T) - np.eye(4)).max() < 0.6


def test_components_do_not_share_their_chance():
    probability = rectangle((100, 100), (10, 10, 20, 20), (60, 60, 80, 80))
    first, second = prompts(probability[None], (100, 100), Prompts(jitters=1))[1::2]
    assert np.abs((np.array(first.box) - 60) / 20 - (np.array(second.box) - 10) / 10).max() > 0.01


def test_further_boxes_end_at_the_image_border_with_an_object_that_touches_it():
    found = prompts(rectangle((40, 40), (0, 10, 20, 40))[None], (40, 40), Prompts(jitters=5, jitter=0.5))
    assert all(prompt.box[0] == 0 and prompt.box[3] == 40 for prompt in found)


def test_chance_follows_from_the_image_id_alone():
    probability = rectangle((60, 60), (4, 4, 14, 12), (30, 30, 56, 50))[None]
    first = prompts(probability, (60, 60), Prompts(), image_id="a")
    assert prompts(probability, (60, 60), Prompts(), image_id="a") == first
    other = prompts(probability, (60, 60), Prompts(), image_id="b")
    assert other[0] == first[0] and other[1] != first[1]
    assert len({prompt.box for prompt in first + other}) == 2 + 4 + 4


def test_further_points_are_other_interior_spots_and_background_stays_background():
    probability = rectangle((80, 80), (20, 20, 61, 61))[None]
    found = prompts(probability, (80, 80), Prompts(kind="points", jitters=8))
    inside = [prompt.points[0] for prompt in found]
    assert inside[0] == (40, 40, True) and len(set(inside)) > 5
    # depth falls from 21 at the centre to 1 at the contour: half of it is left within 10 pixels
    assert all(abs(x - 40) <= 10.5 and abs(y - 40) <= 10.5 and sign for x, y, sign in inside)
    assert {prompt.points[1:] for prompt in found} == {found[0].points[1:]}
    assert [sign for *_, sign in found[0].points[1:]] == [False] * 4


def test_bounds_widen_what_gold_has():
    first, second = np.zeros((2, 10, 20), np.uint8)
    first[0:4, 0:5] = 1  # 20 of 200 pixels
    second[0:2, 0:5] = 1  # 10
    second[5:7, 0:2] = 1  # 4
    (exact,) = bounds_from_masks([first, second], 1, slack=0.0).classes
    assert dataclasses.astuple(exact) == pytest.approx((0.02, 0.1, 0.4, 2))
    (wide,) = bounds_from_masks([first, second], 1, slack=1.0).classes
    # areas span a factor of 5, more than the 4 of lengths twice as long
    assert wide.min_area_share == pytest.approx(0.004) and wide.max_area_share == pytest.approx(0.5)
    assert wide.min_component_share == pytest.approx(0.1) and wide.max_components == 2
    (single,) = bounds_from_masks([first], 1, slack=1.0).classes
    assert (single.min_area_share, single.max_area_share) == pytest.approx((0.025, 0.4))


def test_specks_in_gold_do_not_widen_the_bounds():
    mask = np.zeros((40, 40), np.uint8)
    mask[:20, :20] = 1
    mask[30, 30] = 1
    assert bounds_from_masks([mask], 1, slack=0.0).classes == (ClassBounds(0.25, 0.25, 1.0, 1),)


def test_each_class_has_its_own_bounds_and_an_unseen_one_is_open():
    mask = np.zeros((10, 10), np.uint8)
    mask[:5] = 2
    bounds = bounds_from_masks([mask, np.zeros_like(mask)], 3, slack=0.0)
    assert bounds.classes[0] == bounds.classes[2] == ClassBounds(0.0, 1.0, 0.0, 1)
    assert bounds.classes[1] == ClassBounds(0.5, 0.5, 1.0, 1)


@pytest.mark.parametrize("task", ["busi", "isic", "cxr"])
def test_gold_masks_prompt_their_own_boxes(task):
    from PIL import Image

    folder = Path(__file__).parents[3] / "shared" / "data" / task / "gold" / "masks"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    masks = [(np.asarray(Image.open(path).convert("L")) > 127).astype(np.uint8) for path in sorted(folder.iterdir())]
    bounds = bounds_from_masks(masks, 1, slack=0.5)
    for mask in masks:
        found = prompts(mask[None].astype(np.float32), mask.shape, TIGHT, bounds)
        covered = np.zeros_like(mask)
        for prompt in found:
            x0, y0, x1, y1 = map(int, prompt.box)
            covered[y0:y1, x0:x1] = 1
        assert 1 <= len(found) <= 2
        assert (covered & mask).sum() >= 0.99 * mask.sum()
