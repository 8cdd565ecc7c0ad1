"""How many synthetic images are trained on, and whether any."""

import cv2
import numpy as np
import pytest

from medweave.config import Settings, Synthesis
from medweave.data import ImageRow, MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.segmentation import choose_synthetic
from medweave.segmentation.synthetic_choice import SyntheticChoice, compare, within_share
from tests.segmentation.conftest import SIZE, make_discs


@pytest.fixture
def rows(tmp_path):
    def make(name, count, seed, source, decision=None, wrong=False):
        discs = make_discs(count, seed)
        made = []
        for index in range(count):
            path = tmp_path / f"{name}{index}.png"
            cv2.imwrite(str(path), discs.images[index])
            mask = 1 - discs.masks[index] if wrong else discs.masks[index]
            row = ImageRow(f"{name}{index}", f"{name}{index}", str(path), f"{seed}{index:063x}", SIZE, SIZE,
                           decision=decision)  # fmt: skip
            made.append(row.with_label(source, MaskRef(png=encode_mask(mask.astype(np.uint8))), {"condition": None}))
        return made

    return make


@pytest.fixture
def settings(recipe, compute):
    longer = recipe.model_copy(update={"coarse_steps": 8, "learning_rate": 2e-2, "evaluations": 1, "gold_share": 0.25})
    return Settings(task="discs", segmentation=longer, compute=compute, synthesis=Synthesis(share=0.75))


@pytest.mark.parametrize(("share", "expected"), [(0.2, 2), (0.5, 8), (0.1, 0), (0.9, 9)])
def test_the_share_is_of_all_labels_that_are_trained_on(rows, tmp_path, share, expected):
    """Of 6 gold and 2 accepted weak labels: 2 in 10, 8 in 16, none in 8; there are no more than 9."""
    real = [
        write_table(tmp_path / "gold", rows("g", 6, 0, "gold")),
        write_table(tmp_path / "weak", rows("w", 2, 1, "weak", "accept") + rows("r", 3, 2, "weak", "reject")),
    ]
    made = rows("x", 4, 3, "synthetic", "review") + rows("s", 9, 4, "synthetic", "accept")
    assert [row.image_id for row in within_share(real, made, share)] == [f"s{k}" for k in range(expected)]


def test_images_with_wrong_masks_are_left_out_and_both_figures_told(rows, settings, tmp_path):
    gold = write_table(tmp_path / "gold", rows("g", 6, 0, "gold"))
    wrong = rows("s", 12, 1, "synthetic", "accept", wrong=True)
    chosen, choice = choose_synthetic([gold], wrong, settings, tmp_path / "work")
    assert chosen == [] and not choice.kept
    assert (choice.offered, choice.images) == (12, 12)
    assert 0 <= choice.dice_with < choice.dice_without <= 1
    told = choice.to_json()
    assert told["kept"] is False and told["dice_without"] == choice.dice_without and told["standard_error"] > 0


def test_nothing_is_trained_when_nothing_was_accepted(rows, settings, tmp_path):
    gold = write_table(tmp_path / "gold", rows("g", 6, 0, "gold"))
    chosen, choice = choose_synthetic([gold], rows("s", 3, 1, "synthetic", "review"), settings, tmp_path / "work")
    assert (chosen, choice) == ([], SyntheticChoice(0, 0))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("gains", "error", "kept"),
    [
        ([0.1, 0.2, 0.3], 0.1 / 3**0.5, True),
        ([0.3, -0.1, -0.1], 0.4 / 3, False),
        ([0.0, 0.0, 0.0], 0.0, False),
        ([-0.2, -0.2, -0.2], 0.0, False),
    ],
)
def test_they_are_kept_only_when_they_help_by_more_than_one_standard_error(gains, error, kept):
    """Standard deviations (n - 1): .1 of .1, .2, .3; .4 / sqrt(3) of .3, -.1, -.1."""
    without = {"a": 0.5, "b": 0.6, "c": 0.7}
    with_ = {group: dice + gain for (group, dice), gain in zip(without.items(), gains, strict=True)}
    choice = compare(with_, without, 9, 5)
    assert (choice.offered, choice.images, choice.kept) == (9, 5, kept)
    assert choice.dice_without == pytest.approx(0.6)
    assert choice.dice_with == pytest.approx(0.6 + sum(gains) / 3)
    assert choice.standard_error == pytest.approx(error, abs=1e-12)


def test_with_nothing_measured_they_are_left_out():
    assert compare({}, {}, 3, 2) == SyntheticChoice(3, 2) and not SyntheticChoice(3, 2).kept


def test_images_made_for_a_mask_of_held_out_patients_are_held_out(discs):
    from dataclasses import replace

    made_for = [None, {"groups": ["g5", "g6"]}, {"groups": ["g7"]}, {}]
    rows = [
        replace(row, made_by={"condition": condition}) for row, condition in zip(discs.rows[:4], made_for, strict=True)
    ]
    data = replace(discs, rows=(*rows, *discs.rows[4:]))
    assert np.flatnonzero(~data.without({"g6", "g3"}).drawn).tolist() == [1, 3, 6]
