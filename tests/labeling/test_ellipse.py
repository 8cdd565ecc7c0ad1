import numpy as np
import pytest

from medweave.labeling import NoMask, Prompt, Target
from medweave.labeling.ellipse import EllipseLabeler, pixels_around


def label(image, prompts, classes=1):
    (made,) = EllipseLabeler(classes).segment([Target("a", "sha", "g", image, tuple(prompts))])
    return made


def drawn(*rows):
    return [[int(c) for c in row.replace(".", "0")] for row in rows]


def test_pixels_whose_centre_is_inside_the_ellipse_worked_out_by_hand():
    # half axes 3 and 2 about (3, 2): (x/3)^2 + (y/2)^2 < 1 at half-integer offsets, such as
    # 0.757 at (2.5, 0.5), 1.257 at (2.5, 1.5) and 0.8125 at (1.5, 1.5)
    mask = label(np.zeros((5, 8, 3), np.uint8), [Prompt(1, (0, 0, 6, 4))]).class_map()
    assert mask.tolist() == drawn(".1111...", "111111..", "111111..", ".1111...", "........")


def test_boxes_that_reach_beyond_the_image_are_cut_off():
    mask = label(np.zeros((2, 3, 3), np.uint8), [Prompt(1, (-3, -2, 3, 2))]).class_map()
    assert mask.tolist() == drawn("111", "11.")


def test_prompts_of_a_class_unite_and_the_deeper_one_wins_between_classes():
    prompts = [Prompt(1, (0, 0, 6, 2)), Prompt(2, (4, 0, 10, 2)), Prompt(1, (10, 0, 12, 2), (), 1)]
    mask = label(np.zeros((2, 12, 3), np.uint8), prompts, classes=2).class_map()
    # columns 4 and 5 lie in both ellipses, about x = 3 and x = 7: each belongs to the nearer centre
    assert mask.tolist() == drawn("111112222211", "111112222211")


def test_the_probability_falls_from_the_centre_and_is_one_half_on_the_ellipse():
    probability = label(np.zeros((1, 9, 3), np.uint8), [Prompt(1, (2, 0, 7, 1))]).probabilities[0, 0]
    # distances from the centre, 4.5, in half axes of 2.5: 1.6, 1.2, 0.8, 0.4, 0 at the columns 0.5 to 4.5
    assert probability == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 0.8, 0.6, 0.4, 0.2], abs=1e-6)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (Prompt(1, (3, 3, 3, 6)), "found nothing"),
        (Prompt(1, None, ((2, 2, True),)), "no prompt"),
        (Prompt(1, (20, 3, 30, 6)), "outside the image"),
    ],
)
def test_nothing_without_a_box_that_has_an_area_in_the_image(prompt, reason):
    made = label(np.zeros((9, 9, 3), np.uint8), [prompt])
    assert isinstance(made, NoMask) and reason in made.reason


def test_pixels_around_a_box_are_whole_ones_inside_the_image():
    assert pixels_around((4, 6, 8, 14), 0.25, (30, 20)) == (3, 4, 9, 16)
    assert pixels_around((4.5, 6, 8, 14), 0.0, (12, 6)) == (4, 6, 6, 12)
    assert pixels_around((-9, -9, -3, -3), 0.5, (12, 6)) == (0, 0, 0, 0)


def test_area_of_a_large_ellipse():
    mask = label(np.zeros((400, 600, 3), np.uint8), [Prompt(1, (20.5, 30.25, 560.5, 350.75))]).class_map()
    assert mask.sum() == pytest.approx(np.pi / 4 * 540 * 320.5, rel=2e-3)
