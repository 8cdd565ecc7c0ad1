"""Augmentation: masks go where their images go, and the generator decides."""

import torch

from medweave.config import Augmentation
from medweave.segmentation.augmentation import Augmenter

STILL = {"rotation": 0.0, "scale": (1.0, 1.0), "translation": 0.0, "brightness": 0.0, "contrast": 0.0}


def make_batch(count: int = 4, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    masks = torch.zeros(count, size, size, dtype=torch.uint8)
    masks[:, 20:30, 36:52] = 1
    return (masks * 200)[:, None].repeat(1, 3, 1, 1), masks


def augment(settings: Augmentation, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    augmenter = Augmenter(settings)
    images, masks = augmenter.move(*make_batch())
    return augmenter.light(images), masks


def test_nothing_to_change_changes_nothing():
    images, masks = augment(Augmentation(**STILL, flip_horizontal=False), 0)
    assert torch.equal(images, make_batch()[0])
    assert torch.equal(masks, make_batch()[1])


def test_masks_move_with_their_images():
    images, masks = augment(Augmentation(brightness=0.0, contrast=0.0, flip_vertical=True), 1)
    bright = images[:, 0] > 100
    for seen, mask in zip(bright, masks.bool(), strict=True):
        assert (seen & mask).sum() / (seen | mask).sum() > 0.8
    assert not torch.equal(masks, make_batch()[1])
    assert masks.dtype == torch.uint8
    assert set(masks.unique().tolist()) <= {0, 1}


def test_each_image_is_changed_in_its_own_way_and_the_seed_repeats_it():
    images, masks = augment(Augmentation(), 3)
    assert not torch.equal(masks[0], masks[1])
    again = augment(Augmentation(), 3)
    assert torch.equal(images, again[0])
    assert torch.equal(masks, again[1])
    assert not torch.equal(images, augment(Augmentation(), 4)[0])


def test_flips_alone_give_the_mask_or_its_mirror():
    _, masks = augment(Augmentation(**STILL), 0)
    mask = make_batch()[1][0]
    assert all(torch.equal(found, mask) or torch.equal(found, mask.flip(1)) for found in masks)
    assert any(torch.equal(found, mask.flip(1)) for found in masks)


def test_disturbing_changes_most_images_and_keeps_shape_and_type():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    disturbed = Augmenter(Augmentation(**STILL)).disturb(images)
    assert disturbed.shape == images.shape
    assert disturbed.dtype == torch.uint8
    assert sum(not torch.equal(one, other) for one, other in zip(images, disturbed, strict=True)) >= 6
    assert Augmenter(Augmentation()).disturb(images[:0]).shape == (0, 3, 32, 32)
