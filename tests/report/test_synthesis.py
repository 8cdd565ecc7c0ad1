"""Synthetic images on the report: the pictures, the figures, the words."""

import dataclasses

import cv2
import numpy as np
import pytest

from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.report import SyntheticExample, render_report
from medweave.report.synthesis import synthetic_examples, told_checks, told_choice
from tests.report.test_page import HOSTILE, Page, bare, full

CHECKS = {
    "made": 32,
    "kept": 29,
    "reasons": {"near-copy of a training image": 2, "collapsed": 1},
    "near_copies": [
        {"sample": "s1", "image": "real7", "by": ["hash", "pixels"]},
        {"sample": "s2", "image": HOSTILE, "by": ["features"]},
    ],
    "limits": {"bits": 60.0, "distance": 9.5, "correlation": 0.91},
    "closest": {"bits": 71.0, "distance": 10.25, "correlation": 0.88},
    "diversity": 0.83,
    "frechet": {"samples": 31.0, "real": 12.5, "real95": 20.0, "images": 29},
    "agreement": {"coarse": 0.71, "labeler": 0.9},
}
CHOICE = {"offered": 20, "images": 12, "dice_with": 0.712, "dice_without": 0.7, "standard_error": 0.005, "kept": True}
MASK = np.pad(np.ones((8, 8), np.uint8), 12)
PICTURE = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)


def with_synthesis(name="s0"):
    examples = [
        SyntheticExample(name, PICTURE, MASK, PICTURE, MASK, "accept: predicted Dice 0.80"),
        SyntheticExample("free", PICTURE, None, PICTURE, None, "reject"),
    ]
    return dataclasses.replace(full(), synthesis={"checks": CHECKS, "choice": CHOICE}, synthetic_examples=examples)


def test_the_page_shows_pictures_figures_and_which_was_kept():
    page = Page(render_report(with_synthesis()))
    assert "synthesis" in page.ids()
    assert "12 of 20 accepted images: Dice 0.712 on held-out gold with them, 0.700 without" in page.text
    assert "2 samples too close to a training image, dropped" in page.text
    assert "perceptual hash, pixels" in page.text and HOSTILE in page.text
    alts = [image["alt"] for image in page.all("img")]
    assert [alt for alt in alts if "s0" in alt] == [
        "Real image beside s0",
        "Mask that s0 was made for",
        "Synthetic image s0",
        "Synthetic image s0 with the outline of its mask",
    ]
    assert [alt for alt in alts if "free" in alt] == ["Real image beside free", "Synthetic image free"]


def test_a_run_without_synthesis_has_no_such_part():
    for content in (full(), bare()):
        assert "synthesis" not in Page(render_report(content)).ids()


def test_names_from_data_are_escaped():
    assert Page(render_report(with_synthesis(HOSTILE))).all("script") == []


def test_figures_are_told_with_what_they_are_held_against():
    told = {name: (figure, against) for name, figure, against in told_checks(CHECKS)}
    assert told["Dropped: collapsed"] == ("1", "")
    assert told["Closest hash"] == ("71 of 256 bits", "copies differ in fewer than 60")
    assert told["Fréchet-type distance to real images"] == ("31.0", "halves of the real ones: 12.5, 95 % below 20.0")
    nothing = {**CHECKS, "closest": None, "diversity": None, "frechet": None, "agreement": {}, "reasons": {}}
    assert [name for name, *_ in told_checks(nothing)] == ["Made and kept"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "they train the final model."),
        ({"dice_with": 0.69, "kept": False}, "they were left out of the final model."),
        ({"images": 0}, "No synthetic image was accepted"),
        ({"dice_with": None, "dice_without": None, "kept": False}, "could not be measured on gold"),
    ],
)
def test_the_choice_in_words(changes, words):
    assert words in told_choice({**CHOICE, **changes})


def test_examples_stand_beside_the_image_that_their_mask_came_from(tmp_path):
    def row(name, level):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((32, 32, 3), level, np.uint8))
        return ImageRow(name, name, str(tmp_path / f"{name}.png"), "", 32, 32)

    png = MaskRef(png=encode_mask(MASK))
    gold = write_table(tmp_path / "gold", [row(f"g{k}", 10 * k).with_label("gold", png, {}) for k in range(5)])
    rest = write_table(tmp_path / "rest", [row("u", 200)])
    made = [
        row("a", 99).with_label("synthetic", png, {"condition": {"origin": ["g3", "g1"]}}),
        row("b", 98).with_label("synthetic", png, {"condition": None, "checks": {"closest": {"image": "u"}}}),
    ]
    made = [dataclasses.replace(one, decision="accept", predicted_dice=0.75) for one in made]
    first, second = synthetic_examples(write_table(tmp_path / "made", made), [gold, rest], 1, 10_000)
    assert first.real[0, 0, 0] == 30 and first.image[0, 0, 0] == 99
    assert np.array_equal(first.mask, MASK) and first.caption == "accept: predicted Dice 0.75"
    assert second.real[0, 0, 0] == 200 and second.real_mask is None
    assert synthetic_examples(write_table(tmp_path / "none", []), [gold], 1, 10_000) == []
