import numpy as np
import pytest

from medweave.labeling.blending import blend, choose_share
from medweave.labeling.labelers import Made, NoMask


def label(*rows):
    return Made(np.array([rows], np.float32), score=0.5)


def test_a_blend_is_the_weighted_mean_at_the_size_of_the_label():
    coarse = np.full((1, 1, 1), 0.4, np.float32)
    made = blend(label([1.0, 0.0], [0.6, 0.2]), coarse, 0.25)
    np.testing.assert_allclose(made.probabilities, [[[0.85, 0.1], [0.55, 0.25]]], rtol=1e-6)
    np.testing.assert_array_equal(made.class_map(), [[1, 0], [1, 0]])
    assert made.score == 0.5


def test_no_share_changes_nothing_and_an_empty_blend_is_no_label():
    made = label([0.9, 0.0], [0.0, 0.0])
    nothing = np.zeros((1, 2, 2), np.float32)
    assert blend(made, nothing, 0.0) is made
    assert blend(made, nothing, 0.5) == NoMask("labeler and coarse model together are sure of nothing")
    missing = NoMask("no prompt")
    assert blend(missing, nothing, 0.5) is missing


def test_the_share_is_the_one_that_gold_is_best_with():
    truth = np.array([[1, 1], [0, 0]], np.uint8)
    wrong, right = label([0.9, 0.4], [0.6, 0.0]), np.array([[[1.0, 1.0], [0.0, 0.0]]], np.float32)
    chosen, dice = choose_share([wrong] * 3, [right] * 3, [truth] * 3, "abc")
    # 0: (0, 0) and (1, 0), Dice 1/2; 0.25: (0, 1) has 0.55 and (1, 0) has 0.45, Dice 1
    assert dice == {0.0: pytest.approx(0.5), 0.25: 1.0, 0.5: 1.0, 0.75: 1.0}
    assert chosen == 0.25


def test_a_coarse_model_that_only_spoils_gets_no_share():
    truth = np.array([[1, 1], [0, 0]], np.uint8)
    right, wrong = label([0.9, 0.9], [0.0, 0.0]), np.array([[[0.0, 0.0], [1.0, 1.0]]], np.float32)
    chosen, dice = choose_share([right, NoMask("no prompt")], [wrong] * 2, [truth] * 2, "ab")
    assert chosen == 0.0
    assert dice[0.0] == 0.5  # the image without a label counts as an empty one
    assert dice[0.75] < dice[0.0]


def mixed(helped):
    """`helped` labels that a share of the coarse model mends (Dice 1/2 to 1), and one that it spoils (1 to 2/3)."""
    truth = np.array([[1, 1], [0, 0]], np.uint8)
    mended = label([0.9, 0.4], [0.6, 0.0]), np.array([[[1.0, 1.0], [0.0, 0.0]]], np.float32)
    spoilt = label([0.9, 0.6], [0.0, 0.0]), np.array([[[1.0, 0.0], [0.0, 0.0]]], np.float32)
    labels, coarse = zip(*[mended] * helped, spoilt, strict=True)
    return labels, coarse, [truth] * (helped + 1)


def test_a_lead_within_one_standard_error_gives_the_coarse_model_no_share():
    """Leads of 1/2 and -1/3 are .083 +- .417; thrice 1/2 and once -1/3 are .292 +- .208."""
    chosen, dice = choose_share(*mixed(1), "ab")
    assert dice == pytest.approx({0.0: 3 / 4, 0.25: 5 / 6, 0.5: 5 / 6, 0.75: 5 / 6})
    assert chosen == 0.0
    assert choose_share(*mixed(3), "abcd")[0] == 0.25


def test_images_of_one_patient_count_once_for_the_share():
    assert choose_share(*mixed(3), "aaab")[0] == 0.0
