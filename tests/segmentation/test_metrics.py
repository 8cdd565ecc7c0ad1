import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medweave.segmentation.metrics import dice_by_class, image_metrics

DATA = Path(__file__).parents[3] / "shared" / "data"


def square(top, left, size, shape=(40, 50), label=1):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + size, left : left + size] = label
    return mask


def surface_points(region):
    """Foreground pixels with a 4-neighbour in the background or outside the image, by looking at each one."""
    height, width = region.shape
    points = []
    for y, x in np.argwhere(region):
        around = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        if any(not (0 <= v < height and 0 <= u < width) or not region[v, u] for v, u in around):
            points.append((y, x))
    return np.array(points, float)


def brute_force(prediction, mask, tolerance):
    """Metrics of one class from all pairwise distances."""
    a, b = surface_points(prediction), surface_points(mask)
    distances = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    there, back = distances.min(1), distances.min(0)
    both, either = int((prediction & mask).sum()), int((prediction | mask).sum())
    return {
        "dice": 2 * both / (both + either),
        "iou": both / either,
        "nsd": (int((there <= tolerance).sum()) + int((back <= tolerance).sum())) / (len(a) + len(b)),
        "hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
    }


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]),
)
def test_agrees_with_brute_force(mask, seed, tolerance):
    rng = np.random.default_rng(seed)
    prediction = np.where(rng.random(mask.shape) < rng.random(), 1 - mask, mask).astype(np.uint8)
    if not (mask.any() and prediction.any()):
        return
    assert image_metrics(prediction, mask, 1, tolerance) == {
        **{k: pytest.approx(v, abs=1e-5) for k, v in brute_force(prediction == 1, mask == 1, tolerance).items()},
        "empty": 0.0,
    }


def test_square_shifted_by_two_pixels():
    scores = image_metrics(square(10, 12, 10), square(10, 10, 10), 1, tolerance=1.0)
    assert scores["dice"] == pytest.approx(160 / 200)
    assert scores["iou"] == pytest.approx(80 / 120)
    # Of each surface's 36 pixels these are at most 1 away from the other one: 9 of the upper and 9 of the lower row (8
    # on it, 1 beside it), and on the side that is inside the other square the first and the last inner pixel.
    assert scores["nsd"] == pytest.approx((9 + 9 + 2) * 2 / 72)
    assert scores["hd95"] == 2.0
    assert image_metrics(square(10, 12, 10), square(10, 10, 10), 1, tolerance=2.0)["nsd"] == 1.0


def test_single_pixels_at_a_known_distance():
    scores = image_metrics(square(3, 4, 1), square(6, 8, 1), 1, tolerance=4.9)
    assert scores == {"dice": 0.0, "iou": 0.0, "nsd": 0.0, "hd95": 5.0, "empty": 0.0}
    assert image_metrics(square(3, 4, 1), square(6, 8, 1), 1, tolerance=5.0)["nsd"] == 1.0


def test_hd95_is_the_larger_direction_and_leaves_out_the_farthest_five_percent():
    mask = np.zeros((3, 300), np.uint8)
    mask[1, :101] = 1
    prediction = mask.copy()
    prediction[1, 101:201] = 1
    # A line: all pixels are surface. Distances from the prediction are 101 zeros and 1..100; the 95th percentile of
    # 201 sorted values is the one at 0.95 x 200 = 190, which is 190 - 100 = 90. From the mask all are 0.
    assert image_metrics(prediction, mask, 1, 3.0)["hd95"] == pytest.approx(90.0)
    assert image_metrics(mask, prediction, 1, 3.0)["hd95"] == pytest.approx(90.0)
    assert image_metrics(prediction, mask, 1, 3.0)["nsd"] == pytest.approx((101 + 101 + 3) / (201 + 101))


def test_identical_masks_are_perfect_wherever_they_lie():
    full = np.ones((30, 40), np.uint8)
    for mask in (full, square(0, 0, 10), square(30, 40, 10), square(5, 5, 1)):
        assert image_metrics(mask, mask, 1, 1.0) == {"dice": 1.0, "iou": 1.0, "nsd": 1.0, "hd95": 0.0, "empty": 0.0}


def test_the_image_border_is_surface():
    full = np.ones((20, 40), np.uint8)
    half = full.copy()
    half[:, 20:] = 0
    # Surfaces: 116 pixels of the whole, 76 of the half. Of the whole, the 20 right-hand pixels are up to 20 away from
    # the half's right side; of the half, its right side's 18 inner pixels are 1..9 away from the top or the bottom.
    whole_within = 20 + 2 * 18 + 2 * 3 + 2 * 1  # left side, shared rows, up to 3 columns further
    scores = image_metrics(half, full, 1, 3.0)
    assert scores == {
        **{k: pytest.approx(v) for k, v in brute_force(half == 1, full == 1, 3.0).items()},
        "empty": 0.0,
    }
    half_within = 76 - 12  # inner pixels of the cut, 4..9 away from both rows
    assert scores["nsd"] == pytest.approx((whole_within + half_within) / (116 + 76))


@pytest.mark.parametrize("classes", [1, 3])
def test_both_empty_is_perfect(classes):
    nothing = np.zeros((30, 40), np.uint8)
    scores = image_metrics(nothing, nothing, classes, 1.0)
    assert scores == {"dice": 1.0, "iou": 1.0, "nsd": 1.0, "hd95": 0.0, "empty": 0.0}


def test_one_empty_is_the_finite_worst():
    nothing, something = np.zeros((30, 40), np.uint8), square(5, 5, 4, (30, 40))
    worst = {"dice": 0.0, "iou": 0.0, "nsd": 0.0, "hd95": 50.0}
    assert image_metrics(nothing, something, 1, 1.0) == {**worst, "empty": 1.0}
    assert image_metrics(something, nothing, 1, 1.0) == {**worst, "empty": 0.0}


def test_classes_are_averaged_over_those_present():
    mask = square(2, 2, 6) + square(20, 20, 6, label=3)
    prediction = square(2, 2, 6)
    scores = image_metrics(prediction, mask, 4, 1.0)
    assert scores == {
        "dice": 0.5,
        "iou": 0.5,
        "nsd": 0.5,
        "hd95": pytest.approx(math.hypot(40, 50) / 2),
        "empty": 0.0,
    }
    swapped = square(2, 2, 6, label=2)
    assert image_metrics(swapped, square(2, 2, 6), 2, 1.0)["dice"] == 0.0
    assert image_metrics(swapped, square(2, 2, 6), 2, 1.0)["empty"] == 0.0


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        image_metrics(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 1, 1.0)


def test_equals_monais_own_metrics_on_real_masks():
    folder = DATA / "busi" / "gold" / "masks"
    if not folder.is_dir():
        pytest.skip(f"real data is not at {DATA}")
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    from PIL import Image

    for path in sorted(folder.iterdir())[:4]:
        mask = (np.asarray(Image.open(path)) > 0).astype(np.uint8)
        prediction = np.roll(mask, (7, -4), (0, 1))
        pair = [torch.from_numpy(side == 1)[None, None] for side in (prediction, mask)]
        scores = image_metrics(prediction, mask, 1, 3.0)
        assert scores["nsd"] == pytest.approx(float(compute_surface_dice(*pair, [3.0], include_background=True)))
        hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95)
        assert scores["hd95"] == pytest.approx(float(hd95))


def test_dice_of_each_class_is_that_of_the_class_alone():
    prediction, mask = np.zeros((2, 6, 8), np.uint8)
    prediction[1:3, 1:5], mask[1:3, 2:6] = 1, 1
    mask[4, 4] = 2
    one, two, three = dice_by_class(prediction, mask, 3)
    assert one == image_metrics(prediction, mask * (mask == 1), 1, 1.0)["dice"] == 0.75
    assert two == 0 and np.isnan(three)
