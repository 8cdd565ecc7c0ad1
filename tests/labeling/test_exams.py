import numpy as np
import pytest

from medweave.labeling.ellipse import EllipseLabeler
from medweave.labeling.exams import exams_on, folds_of, mean_exam_dice
from medweave.labeling.gold_prompts import BoxErrors, GoldImage, GoldSet
from medweave.labeling.labelers import NoMask, Target

FOLDS = {"g0": 0, "g1": 3, "g2": 0}


def gold_set(errors):
    """Three images with an ellipse each, in a box of 40 x 30 pixels."""
    images = []
    rows, columns = np.mgrid[:64, :96] + 0.5
    for number in range(3):
        x, y = 10 + 8 * number, 8 + 3 * number
        mask = (np.hypot((columns - x - 20) / 20, (rows - y - 15) / 15) < 1).astype(np.uint8)
        target = Target(f"i{number}", f"sha{number}", f"g{number}", np.zeros((64, 96, 3), np.uint8))
        images.append(GoldImage(target, mask))
    return GoldSet(images, FOLDS, 1, errors, "box", 7)


def test_exams_are_every_gold_image_with_errors_of_the_boxes():
    exams = exams_on(gold_set(BoxErrors(0.0, 0.05)))
    assert [(exam.target.image_id, exam.fold) for exam in exams] == [
        (f"i{number}", fold) for number, fold in enumerate((0, 3, 0)) for _ in range(2)
    ]
    assert len({exam.target.prompts for exam in exams}) == 6
    right = exams_on(gold_set(BoxErrors(0.0, 0.0)))
    assert right[2].target.prompts[0].box == (18, 11, 58, 41)


def test_dice_of_exams():
    exams = exams_on(gold_set(BoxErrors(0.0, 0.0)))
    made = EllipseLabeler(1).segment([exam.target for exam in exams])
    assert mean_exam_dice(exams, made) > 0.99
    assert mean_exam_dice(exams, [*made[:4], *[NoMask("nothing")] * 2]) == pytest.approx(2 / 3, abs=0.005)


def test_folds_are_those_that_images_are_in():
    assert folds_of(gold_set(BoxErrors(0.0, 0.0))) == [0, 3]
