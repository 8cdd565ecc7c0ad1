"""Network, training and labeler of `crop`."""

import numpy as np
import pytest
import torch

from medweave.errors import RunError
from medweave.labeling.consensus import dice
from medweave.labeling.crop import CropLabeler, train_crop
from medweave.labeling.crop.network import CropNetwork
from medweave.labeling.crop.training import Recipe
from medweave.labeling.ellipse import radius
from medweave.labeling.gold_prompts import BoxErrors, GoldImage
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Prompt

BOX = (30.0, 20.0, 70.0, 50.0)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def target(*prompts, shape=(80, 100)):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    return Target("a", "sha", "a", image, prompts)


def untrained(classes=1):
    torch.manual_seed(0)
    return CropLabeler(classes, "cpu", "fp32").with_network(CropNetwork(classes).state_dict())


def ellipse(box, shape=(80, 100)):
    return radius(box, shape) < 1


def rectangles(count, value=1, seed=0):
    """Bright rectangles on dark noise: where the inscribed ellipse has a Dice of 2 * (pi / 4) / (1 + pi / 4) = 0.88."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        x, y = generator.integers(5, 40, 2)
        width, height = generator.integers(20, 50, 2)
        mask = np.zeros((100, 100), np.uint8)
        mask[y : y + height, x : x + width] = value
        image = generator.integers(0, 60, (100, 100, 3)) + 150 * (mask > 0)[..., None]
        made.append(GoldImage(Target(str(number), str(number), str(number), image.astype(np.uint8)), mask))
    return made


def test_before_it_learned_anything_it_is_the_ellipse():
    made = untrained().segment([target(Prompt(1, BOX))])[0]
    assert isinstance(made, Made)
    assert dice(made.class_map() == 1, ellipse(BOX)) > 0.98


def test_targets_and_their_prompts_are_kept_apart():
    other = (5.0, 5.0, 25.0, 70.0)
    both = untrained(2).segment([target(Prompt(1, BOX)), target(), target(Prompt(2, other), Prompt(2, BOX, (), 1))])
    assert dice(both[0].class_map() == 1, ellipse(BOX)) > 0.98
    assert both[1] == NoMask("no prompt")
    assert dice(both[2].class_map() == 2, ellipse(other) | ellipse(BOX)) > 0.97
    assert not (both[2].class_map() == 1).any()


def test_a_label_does_not_depend_on_the_others_of_the_batch():
    labeler = untrained()
    targets = [target(Prompt(1, (5.0 * x, 10.0, 5.0 * x + 30.0, 60.0))) for x in range(3)]
    alone = labeler.segment(targets[2:])[0]
    assert np.allclose(labeler.segment(targets)[2].probabilities, alone.probabilities, atol=1e-5)


def test_boxes_outside_the_image_give_no_mask():
    reason = NoMask("the prompts lie outside the image")
    assert untrained().segment([target(Prompt(1, (200.0, 20.0, 240.0, 50.0)))]) == [reason]
    half = untrained().segment([target(Prompt(1, (80.0, 20.0, 140.0, 50.0)))])[0]
    assert dice(half.class_map() == 1, ellipse((80.0, 20.0, 100.0, 50.0))) > 0.95
    assert untrained().segment([target(Prompt(1, points=((5, 5, True),)))]) == [NoMask("no prompt")]


def test_it_labels_only_when_it_was_fitted():
    with pytest.raises(RunError, match="fit"):
        CropLabeler(1, "cpu", "fp32").segment([target(Prompt(1, BOX))])


def test_it_learns_what_gold_shows():
    state = train_crop(
        rectangles(8), 1, BoxErrors(0.0, 0.05), 3, "cpu", "fp32", recipe=Recipe(steps=50, batch=4, ema=0.8)
    )
    labeler = CropLabeler(1, "cpu", "fp32").with_network(state)
    scores = []
    for image in rectangles(4, seed=9):
        ys, xs = np.nonzero(image.mask)
        box = float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
        (made,) = labeler.segment([Target("x", "x", "x", image.target.image, (Prompt(1, box),))])
        scores.append(dice(made.class_map() == 1, image.mask == 1))
    assert np.mean(scores) > 0.94


def test_training_follows_from_the_seed():
    def train(seed):
        return train_crop(rectangles(3), 1, BoxErrors(), seed, "cpu", "fp32", recipe=Recipe(steps=2, batch=2))

    first, again, other = train(1), train(1), train(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_only_the_class_of_an_object_is_taught():
    torch.manual_seed(0)
    fresh = CropNetwork(2)
    state = train_crop(
        rectangles(3, value=2), 2, BoxErrors(), 0, "cpu", "fp32", recipe=Recipe(steps=3, batch=2, weight_decay=0)
    )
    assert torch.equal(state["head.bias"][0], fresh.head.bias[0])
    assert not torch.equal(state["head.bias"][1], fresh.head.bias[1])
