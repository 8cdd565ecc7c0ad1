"""What training minimises, worked out by hand."""

import math

import pytest
import torch

from medweave.segmentation.losses import label_loss


def half_covered() -> torch.Tensor:
    masks = torch.zeros(1, 4, 4, dtype=torch.uint8)
    masks[:, :2] = 1
    return masks


def everywhere(masks: torch.Tensor) -> torch.Tensor:
    return torch.ones(masks.shape)


def test_loss_of_an_undecided_network():
    # p = 1/2 everywhere: cross-entropy is ln 2. Soft Dice of a half-covered mask is 2*(8*.5)/(16*.5+8) = 1/2.
    masks = half_covered()
    loss = label_loss(torch.zeros(1, 1, 4, 4), masks, everywhere(masks))
    assert loss.tolist() == pytest.approx([math.log(2) + 0.5], abs=1e-4)


def test_generalised_cross_entropy_replaces_the_logarithm():
    # (1 - (1/2)^.7) / .7; for q = 1 it is the absolute error 1/2.
    masks = half_covered()
    for noise, entropy in ((0.7, (1 - 0.5**0.7) / 0.7), (1.0, 0.5)):
        loss = label_loss(torch.zeros(1, 1, 4, 4), masks, everywhere(masks), noise)
        assert loss.tolist() == pytest.approx([entropy + 0.5], abs=1e-4)


def test_loss_of_a_sure_and_right_network_is_nothing_for_several_classes():
    masks = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    logits = torch.tensor([[[[-40.0, 40], [-40, -40]], [[-40.0, -40], [40, 40]]]])
    assert label_loss(logits, masks, everywhere(masks)).tolist() == pytest.approx([0.0], abs=1e-4)


def test_pixels_count_by_their_weight():
    # Only the covered half counts: cross-entropy ln 2 over half of the pixels; soft Dice 2*(8*.5)/(8*.5+8) = 2/3.
    masks = half_covered()
    loss = label_loss(torch.zeros(1, 1, 4, 4), masks, masks.float())
    assert loss.tolist() == pytest.approx([0.5 * math.log(2) + 0.5 / 3], abs=1e-4)
    # All pixels count a quarter: cross-entropy and Dice a quarter.
    loss = label_loss(torch.zeros(1, 1, 4, 4), masks, everywhere(masks) / 4)
    assert loss.tolist() == pytest.approx([(math.log(2) + 0.5) / 4], abs=1e-4)


def test_an_image_of_weight_nothing_has_no_loss_and_no_gradient():
    masks = half_covered()
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    loss = label_loss(logits, masks, torch.zeros(masks.shape)).sum()
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_class_that_a_mask_lacks_has_no_dice_where_masks_miss_objects():
    # Nothing in the mask, p = 1/2: cross-entropy ln 2, and soft Dice of 0 counts only if absence is known.
    masks = torch.zeros(1, 4, 4, dtype=torch.uint8)
    logits = torch.zeros(1, 1, 4, 4)
    assert label_loss(logits, masks, everywhere(masks)).tolist() == pytest.approx([math.log(2) + 1], abs=1e-4)
    missing = label_loss(logits, masks, everywhere(masks), present_only=True)
    assert missing.tolist() == pytest.approx([math.log(2)], abs=1e-4)
