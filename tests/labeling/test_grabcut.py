from pathlib import Path

import cv2
import numpy as np
import pytest

from medweave.labeling import Made, Prompt, Target
from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.grabcut import GrabCutLabeler

MARGIN = 0.08
GRABCUT = GrabCutLabeler(2, MARGIN, seed=0)
ELLIPSE = EllipseLabeler(2)


def label(image, *prompts, labeler=GRABCUT):
    """The class map, all background where there is no label."""
    (made,) = labeler.segment([Target("a", "sha", "g", image, prompts)])
    return made.class_map() if isinstance(made, Made) else np.zeros(image.shape[:2], np.uint8)


def dice(first, second):
    return 2 * np.count_nonzero((first > 0) & (second > 0)) / (np.count_nonzero(first) + np.count_nonzero(second))


def tight_box(mask):
    x, y, width, height = cv2.boundingRect(mask)
    return x, y, x + width, y + height


def with_margin(box, shape):
    x0, y0, x1, y1 = box
    dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return max(0.0, x0 - dx), max(0.0, y0 - dy), min(shape[1], x1 + dx), min(shape[0], y1 + dy)


def scene(polygon, shape=(160, 200), inside=90, outside=150):
    """A polygon in speckle, and its mask."""
    mask = cv2.fillPoly(np.zeros(shape, np.uint8), [np.array(polygon, np.int32)], 1)
    speckle = np.random.default_rng(0).gamma(8, 1 / 8, shape)
    gray = np.clip(np.where(mask, inside, outside) * speckle, 0, 255).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2), mask


DIAMOND = [(100, 20), (170, 80), (100, 140), (30, 80)]


def test_it_finds_a_shape_that_is_no_ellipse():
    image, mask = scene(DIAMOND)
    box = with_margin(tight_box(mask), mask.shape)
    found = label(image, Prompt(1, box))
    ellipse = label(image, Prompt(1, tight_box(mask)), labeler=ELLIPSE)
    assert found.dtype == np.uint8 and found.shape == mask.shape
    assert dice(found, mask) > 0.9 > 0.85 > dice(ellipse, mask)


def test_without_any_contrast_it_is_the_ellipse_of_the_box_less_its_margin():
    image = np.full((160, 200, 3), 128, np.uint8)
    box = (50, 40, 150, 110)
    found = label(image, Prompt(1, with_margin(box, (160, 200))))
    assert dice(found, label(image, Prompt(1, box), labeler=ELLIPSE)) > 0.97


def test_a_side_of_the_box_on_the_image_border_has_no_margin_to_take_off():
    image = np.full((100, 100, 3), 128, np.uint8)
    found = label(image, Prompt(1, (0, 30, 50, 70)))
    assert found[50, 0] == 1 and found[50, 47:].sum() == 0


def test_the_same_seed_gives_the_same_mask_whatever_ran_before():
    image, mask = scene(DIAMOND)
    prompts = [Prompt(1, with_margin(tight_box(mask), mask.shape))]
    first = label(image, *prompts)
    cv2.setRNGSeed(99)
    assert (label(image, *prompts) == first).all()


def test_points_are_certain():
    image, mask = scene(DIAMOND)
    box = with_margin(tight_box(mask), mask.shape)
    assert label(image, Prompt(1, box))[25, 40] == 0
    found = label(image, Prompt(1, box, ((40, 25, True), (100, 80, False))))
    assert found[25, 40] == 1 and found[80, 100] == 0


def test_prompts_unite_and_classes_stay_apart():
    image, mask = scene(DIAMOND, shape=(160, 420))
    image[:, 210:] = image[:, :210]
    box = with_margin(tight_box(mask), mask.shape)
    shifted = (box[0] + 210, box[1], box[2] + 210, box[3])
    found = label(image, Prompt(1, box), Prompt(2, shifted))
    assert set(np.unique(found[:, :210])) == {0, 1} and set(np.unique(found[:, 210:])) == {0, 2}
    assert dice(found[:, :210], mask[:, :210]) > 0.9 and dice(found[:, 210:], mask[:, :210]) > 0.9


@pytest.mark.parametrize(
    "box", [(0, 0, 12, 9), (5, 5, 6, 6), (5.2, 5.2, 5.4, 5.3), (3, 3, 3, 8), (-9, -9, -2, -2), (30, 30, 40, 40)]
)
@pytest.mark.parametrize("kind", ["black", "noise"])
def test_odd_boxes_neither_fail_nor_leave_the_box_far_behind(box, kind):
    image = np.zeros((9, 12, 3), np.uint8)
    if kind == "noise":
        image[:] = np.random.default_rng(0).integers(0, 256, image.shape)
    found = label(image, Prompt(1, box))
    assert found.shape == (9, 12) and found.max() <= 1
    outside = np.ones((9, 12), bool)
    outside[max(0, int(box[1]) - 3) : int(box[3]) + 4, max(0, int(box[0]) - 3) : int(box[2]) + 4] = False
    assert not found[outside].any()


@pytest.mark.parametrize("task", ["busi", "isic"])
def test_on_real_images_it_is_as_good_as_the_ellipse_from_exact_boxes_and_better_from_inexact_ones(task):
    folder = Path(__file__).parents[3] / "shared" / "data" / task / "gold"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    generator = np.random.default_rng(0)
    scores = {"grabcut": [], "ellipse": [], "grabcut jittered": [], "ellipse jittered": []}
    for path in sorted((folder / "images").iterdir()):
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        mask = (cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8)
        exact = tight_box(mask)
        size = np.tile([exact[2] - exact[0], exact[3] - exact[1]], 2)
        jittered = np.clip(exact + generator.uniform(-0.1, 0.1, 4) * size, 0, np.tile(mask.shape[::-1], 2))
        for suffix, box in (("", exact), (" jittered", jittered)):
            prompt = Prompt(1, with_margin(box, mask.shape))
            scores[f"grabcut{suffix}"].append(dice(label(image, prompt), mask))
            scores[f"ellipse{suffix}"].append(dice(label(image, Prompt(1, tuple(box)), labeler=ELLIPSE), mask))
    mean = {name: np.mean(values) for name, values in scores.items()}
    assert mean["grabcut"] >= mean["ellipse"]
    assert mean["grabcut jittered"] >= mean["ellipse jittered"] + 0.02
