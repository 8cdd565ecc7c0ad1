import numpy as np
import pytest

from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.prompts import Prompt

LABELER = EllipseLabeler()


def drawn(*rows):
    return [[int(c) for c in row.replace(".", "0")] for row in rows]


def test_pixels_whose_centre_is_inside_the_ellipse_worked_out_by_hand():
    # half axes 3 and 2 about (3, 2): (x/3)^2 + (y/2)^2 < 1 at half-integer offsets, such as
    # 0.757 at (2.5, 0.5), 1.257 at (2.5, 1.5) and 0.8125 at (1.5, 1.5)
    mask = LABELER.segment(np.zeros((5, 8, 3), np.uint8), [Prompt(1, (0, 0, 6, 4))], "")
    assert mask.dtype == np.uint8
    assert mask.tolist() == drawn(".1111...", "111111..", "111111..", ".1111...", "........")


def test_boxes_that_reach_beyond_the_image_are_cut_off():
    mask = LABELER.segment(np.zeros((2, 3, 3), np.uint8), [Prompt(1, (-3, -2, 3, 2))], "")
    assert mask.tolist() == drawn("111", "11.")


def test_prompts_of_a_class_unite_and_the_deeper_one_wins_between_classes():
    prompts = [Prompt(1, (0, 0, 6, 2)), Prompt(2, (4, 0, 10, 2)), Prompt(1, (10, 0, 12, 2))]
    mask = LABELER.segment(np.zeros((2, 12, 3), np.uint8), prompts, "")
    # columns 4 and 5 lie in both ellipses, about x = 3 and x = 7: each belongs to the nearer centre
    assert mask.tolist() == drawn("111112222211", "111112222211")


@pytest.mark.parametrize("prompt", [Prompt(1, (3, 3, 3, 6)), Prompt(1, None, ((2, 2, True),))])
def test_nothing_without_a_box_that_has_an_area(prompt):
    assert not LABELER.segment(np.zeros((9, 9, 3), np.uint8), [prompt], "").any()


def test_area_of_a_large_ellipse():
    mask = LABELER.segment(np.zeros((400, 600, 3), np.uint8), [Prompt(1, (20.5, 30.25, 560.5, 350.75))], "")
    assert mask.sum() == pytest.approx(np.pi / 4 * 540 * 320.5, rel=2e-3)
