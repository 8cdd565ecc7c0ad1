"""What the teacher says, how its part grows, and where it counts."""

import math

import pytest
import torch

from medweave.segmentation.consistency import consistency_loss, ramp, teach
from medweave.segmentation.views import Views


def plain(targets: torch.Tensor, trust: torch.Tensor) -> Views:
    """Black images with these targets BxCxSxS and this trust BxSxS, of which no teacher has said anything."""
    images = torch.zeros(len(targets), 3, *targets.shape[2:], dtype=torch.uint8)
    return Views(
        images, targets, trust, torch.zeros_like(trust).bool(), torch.zeros_like(targets), torch.zeros_like(trust)
    )


def test_the_teacher_is_sure_of_the_likeliest_class_at_its_probability():
    # Pixels: background .7; class 1 .95; class 2 .9; undecided .4 / .35 / .25 for background, 1, 2.
    probabilities = torch.tensor([[[[0.2, 0.95, 0.05, 0.35]], [[0.1, 0.03, 0.9, 0.25]]]])
    views = teach(plain(0 * probabilities, torch.zeros(1, 1, 4)), probabilities, 0.9)
    assert views.taught.tolist() == [[[[0, 1, 0, 0]], [[0, 0, 1, 0]]]]
    assert views.sure.tolist() == [[[0.0, 1.0, 1.0, 0.0]]]


def test_the_teacher_counts_more_and_more():
    assert ramp(0, 100, 0.4) == pytest.approx(math.exp(-5))
    assert ramp(20, 100, 0.4) == pytest.approx(math.exp(-1.25))
    assert ramp(40, 100, 0.4) == ramp(90, 100, 0.4) == 1.0
    assert ramp(5, 100, 0.0) == 1.0


def test_only_what_the_teacher_is_sure_of_is_learned():
    # Sure of the upper half, which is all class 1: ln 2 over half of the pixels, soft Dice 2/3 there (see the losses).
    probabilities = torch.full((1, 1, 4, 4), 0.6)
    probabilities[:, :, :2] = 0.95
    views = teach(plain(0 * probabilities, torch.zeros(1, 4, 4)), probabilities, 0.9)
    loss = consistency_loss(torch.zeros(1, 1, 4, 4), views)
    assert loss.item() == pytest.approx(0.5 * math.log(2) + 0.5 / 3, abs=1e-4)


def test_the_teacher_counts_as_far_as_nothing_else_speaks():
    ones = torch.ones(1, 1, 4, 4)
    losses = [
        consistency_loss(torch.zeros(1, 1, 4, 4), teach(plain(ones, torch.full((1, 4, 4), trust)), ones, 0.9)).item()
        for trust in (0.0, 0.75, 1.0)
    ]
    # p = 1/2 of a mask that is all class 1: ln 2 + 1 - 2*(16*.5)/(16*.5+16) = ln 2 + 1/3.
    assert losses == pytest.approx([math.log(2) + 1 / 3, (math.log(2) + 1 / 3) / 4, 0.0], abs=1e-4)
