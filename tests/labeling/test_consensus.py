import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medweave.labeling import Made, NoMask, Prompt, Vote, consensus
from medweave.labeling.consensus import dice


def vote(probability, window, class_index=1, component=0, score=None, box=(0, 0, 2, 2)):
    return Vote(Prompt(class_index, box, (), component), window, np.asarray(probability, np.float32), score)


def test_alternatives_of_an_object_are_averaged_over_the_windows_of_all():
    made = consensus([vote([[0.9, 0.8]], (0, 0, 2, 1)), vote([[0.6, 1.0], [0.2, 0.4]], (1, 0, 3, 2))], 1, (2, 4))
    assert made.probabilities[0] == pytest.approx(np.array([[0.45, 0.7, 0.5, 0.0], [0.0, 0.1, 0.2, 0.0]]))
    assert made.class_map().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    # of the masks {0, 1} and {1, 2} the consensus {1} has Dice 2/3 with each
    assert made.agreement == pytest.approx(2 / 3) and made.score is None


def test_objects_of_a_class_unite_and_classes_stay_apart():
    votes = [
        vote([[0.9, 0.6]], (0, 0, 2, 1), component=0, score=0.8),
        vote([[0.7, 0.2]], (1, 0, 3, 1), component=1, score=0.6),
        vote([[0.8, 0.9]], (2, 0, 4, 1), class_index=2, score=0.1),
    ]
    made = consensus(votes, 2, (1, 4))
    assert made.probabilities[:, 0] == pytest.approx(np.array([[0.9, 0.7, 0.2, 0.0], [0.0, 0.0, 0.8, 0.9]]))
    assert made.class_map().tolist() == [[1, 1, 2, 2]]
    assert made.score == pytest.approx(0.5) and made.agreement is None


def test_the_likeliest_class_over_one_half_has_the_pixel():
    probabilities = np.array([[[0.5, 0.51, 0.6, 0.9]], [[0.5, 0.2, 0.6, 0.95]]], np.float32)
    label = Made(probabilities).class_map()
    assert label.dtype == np.uint8 and label.tolist() == [[0, 1, 1, 2]]


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([], "no prompt"),
        ([vote([[np.nan, 1.0]], (0, 0, 2, 1))], "not finite"),
        ([vote([[0.5, 0.1]], (0, 0, 2, 1))], "found nothing"),
        ([vote(np.zeros((2, 0)), (4, 0, 4, 2), box=(9, 0, 12, 2))], "outside the image"),
        ([vote(np.zeros((0, 0)), (0, 0, 0, 0), box=(-3, -3, 0, 0))], "outside the image"),
    ],
)
def test_no_label_says_why(votes, reason):
    made = consensus(votes, 1, (2, 4))
    assert isinstance(made, NoMask) and reason in made.reason


def test_points_tell_whether_a_prompt_lies_outside():
    def reason(*points):
        return consensus([Vote(Prompt(1, None, points), (0, 0, 1, 1), np.zeros((1, 1), np.float32))], 1, (4, 6)).reason

    assert "outside" in reason((6.0, 2.0, True), (2.0, 4.0, False))
    assert "found nothing" in reason((6.0, 2.0, True), (5.4, 3.4, False))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_it_is_what_whole_images_give_and_the_order_of_votes_does_not_matter(seed, count):
    generator = np.random.default_rng(seed)
    votes, whole = [], {}
    for _ in range(count):
        x0, y0 = generator.integers(0, 5, 2)
        x1, y1 = x0 + generator.integers(0, 4), y0 + generator.integers(0, 4)
        one = vote(generator.random((y1 - y0, x1 - x0)), (x0, y0, x1, y1), *generator.integers([1, 0], [3, 2]))
        full = np.zeros((9, 9))
        full[y0:y1, x0:x1] = one.probability
        votes.append(one)
        whole.setdefault((one.prompt.class_index, one.prompt.component), []).append(full)
    expected = np.zeros((2, 9, 9))
    for (class_index, _), layers in whole.items():
        expected[class_index - 1] = np.maximum(expected[class_index - 1], np.mean(layers, axis=0))
    made, turned = consensus(votes, 2, (9, 9)), consensus(votes[::-1], 2, (9, 9))
    if isinstance(made, NoMask):
        assert expected.max() <= 0.5 + 1e-6 and turned == made
    else:
        assert made.probabilities == pytest.approx(expected, abs=1e-6)
        assert turned.probabilities == pytest.approx(expected, abs=1e-6)


def test_dice_of_empty_masks_is_one():
    nothing, half = np.zeros((2, 2), bool), np.array([[True, True], [False, False]])
    assert dice(nothing, nothing) == 1.0 and dice(nothing, half) == 0.0
    assert dice(half, half.T) == 0.5
